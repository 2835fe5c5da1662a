import { companions } from '../base/companion-key.ts';

/** The name of the key that keeps the highest token of `key`. */
export const fenceKey: (key: string) => string = companions('quorlock:guard');
