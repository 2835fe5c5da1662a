import { companions } from '../base/companion-key.ts';

/** Keys that begin so are the library's own. */
export const OWN_PREFIX = 'quorlock:';

/** The name of the key that keeps the highest token of `key`. */
export const fenceKey: (key: string) => string = companions(`${OWN_PREFIX}guard`);
