import { now } from '../support/time.ts';
import type { View } from './view.ts';

/** Who is in a critical section, in words. */
export function describeHolders({ tally, locking }: View): string {
  const { holders } = tally;
  if (!locking) return `no lock, ${holders.length} callers in it at once`;
  const newest = holders.at(-1);
  if (newest === undefined) return 'nobody holds the lock';
  const [caller] = newest.section.split(' #');
  const heldMs = Math.max(0, now() - newest.sinceMs);
  return `held by ${caller}${heldMs < 100 ? '' : ` for ${(heldMs / 1_000).toFixed(1)} s`}`;
}
