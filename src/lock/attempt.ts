import type { NodeVote } from '../base/vote.ts';
import type { Contention } from '../quorum/contention.ts';
import { type Defeat, defeatOf } from '../quorum/tally.ts';
import { Lock, type LockSurroundings, type LockTerms } from './lock.ts';
import { Validity } from './validity.ts';

/** What one attempt to get a lock came to. */
export type Attempt =
  | {
      readonly outcome: 'acquired';
      readonly lock: Lock;
      readonly votes: readonly NodeVote[];
      /** What nodes have said until now, of an heir. */
      readonly latest: readonly NodeVote[] | undefined;
    }
  | {
      /** `expired`: granted, but nothing was left of the validity. */
      readonly outcome: Defeat | 'expired';
      readonly votes: readonly NodeVote[];
    };

/**
 * Tries once to get a lock. Whatever keeps it from a valid lock, its value is given back on every node, also on
 * those that answered nothing; that is not waited for.
 */
export async function attempt(
  surroundings: LockSurroundings,
  terms: LockTerms,
  contention?: Contention,
): Promise<Attempt> {
  const { quorum, nodeTimeoutFor, releaseTimeout } = surroundings;
  const { target, value, ttl } = terms;
  const grant = await quorum.acquire(target, value, ttl, nodeTimeoutFor(ttl), contention);
  if (grant.granted) {
    const validity = new Validity(grant.startedAt, ttl);
    if (validity.remainingMs(surroundings) > 0) {
      const lock = new Lock(surroundings, terms, grant, validity);
      return { outcome: 'acquired', lock, votes: grant.votes, latest: grant.latest };
    }
  }
  const { votes } = grant;
  const { ended } = contention ?? {};
  // By the end of another lock the waiter may have gone.
  const waiter = ended === undefined ? contention?.waiter : undefined;
  const abandon = () => quorum.abandon(target, value, { votes, waiter }, releaseTimeout);
  surroundings.background(ended === undefined ? abandon() : ended().then(abandon));
  return { outcome: grant.granted ? 'expired' : defeatOf(votes), votes };
}
