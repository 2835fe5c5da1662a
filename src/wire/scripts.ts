import { createHash } from 'node:crypto';
import { textOf } from './lua-files.ts';

/** A Lua script and the name Redis caches it under. */
export interface Script {
  readonly source: string;
  readonly sha1: string;
}

/** A line of Lua that stands for another file: text that several files share, where a function would cost too much. */
const PLACE = /--\[\[ ([\w-]+) \]\]/g;

/** Comments are for the reader of a file: they would be a third of what is sent. */
const COMMENT = /^ *--(?!\[).*\n/gm;

function read(name: string): string {
  const text = textOf(name).replace(COMMENT, '');
  return text.replace(PLACE, (_, other: string) => (other === 'operations' ? operations() : read(other)));
}

/** The name is made when it is first asked for: an import need not load what makes it. */
function script(source: string): Script {
  return {
    source,
    get sha1() {
      const value = createHash('sha1').update(source).digest('hex');
      Object.defineProperty(this, 'sha1', { value });
      return value;
    },
  };
}

/** The files of operations on locks. Each has the functions of these operations, by name. */
const FILES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  acquire: { acquire: 'acquire', contend: 'acquire', permit: 'acquire' },
  release: { release: 'release' },
  confirm: { confirm: 'confirm' },
  extend: { extend: 'extend', adopt: 'extend' },
  inspect: { inspect: 'inspect' },
  permit: { permit: 'permit', 'leave-permit': 'leave_permit', 'inspect-permit': 'inspect_permit' },
  waiting: { enter: 'enter', leave: 'leave', waiting: 'waiting' },
  share: {
    share: 'share',
    'confirm-share': 'confirm_share',
    'extend-share': 'extend_share',
    'adopt-share': 'extend_share',
    'release-share': 'release_share',
  },
};

/**
 * The source of a Lua function that makes an operation's function on demand. Redis makes every function that it comes
 * by anew in each call. That would cost more than most calls' operations. Every file stands in it once.
 */
function operations(): string {
  const branches = Object.entries(FILES).map(([file, functions]) => {
    const names = Object.keys(functions);
    const isOneOf = names.map((name) => `name == '${name}'`).join(' or ');
    const table = names.map((name) => `['${name}'] = ${functions[name]}`).join(', ');
    const several =
      file === 'acquire' ? `if n > 1 then\n${read('acquire-all')}\nreturn acquire_all\nend\n` : '';
    // A permit is a lock on a slot.
    const known = file === 'permit' ? 'local acquire = made\n' : '';
    return `if ${isOneOf} then\n${several}${known}${read(file)}\nmade = ({ ${table} })[name]\nend`;
  });
  const body = ['local made', ...branches, 'return made'].join('\n');
  return `${read('keys')}\n${read('queue')}\noperation = function(name, n)\n${body}\nend`;
}

/** Carries the operations of one tick to one node, see `lua/batch.lua`. */
export const batchScript: Script = script(`${read('prelude')}\n${read('batch')}`);

/** Looks at one server and writes its marker, see `lua/marker.lua`. */
export const markerScript: Script = script(read('marker'));
