import { companionKey } from '../base/companion-key.ts';

/** The name of the key that keeps the highest token of `key`. */
export function fenceKey(key: string): string {
  return companionKey('quorlock:guard', key);
}
