import { textOf } from './lua-files.ts';

/** Comments are for the reader of a file. */
const COMMENT = /^ *--.*\n/gm;

/** One page of the locks of a node, see `lua/list.lua`. */
export const listScript = textOf('list').replace(COMMENT, '');

/** Breaks a lock on one node, see `lua/break.lua`. */
export const breakScript = textOf('break').replace(COMMENT, '');

/** How many slots of a semaphore are worth a look, see `lua/permits.lua`. */
export const permitsScript = textOf('permits').replace(COMMENT, '');
