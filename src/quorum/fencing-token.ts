import { companions } from '../base/companion-key.ts';
import type { NodeVote } from '../base/vote.ts';

/** Keys that begin so are the library's own. */
export const OWN_PREFIX = 'quorlock:';

/** The key of the fence counter that belongs to a lock key, in the same hash slot of a Redis Cluster. */
export const fenceKeyOf: (key: string) => string = companions(`${OWN_PREFIX}fence`);

/** The key of the queue of those who wait for a lock key, in the same hash slot of a Redis Cluster. */
export const queueKeyOf: (key: string) => string = companions(`${OWN_PREFIX}queue`);

/** The key of the set of those who share a lock key, in the same hash slot of a Redis Cluster. */
export const sharersKeyOf: (key: string) => string = companions(`${OWN_PREFIX}sharers`);

/** The key of how many slots the semaphore of this name has, in the same hash slot of a Redis Cluster. */
export const semaphoreKeyOf: (key: string) => string = companions(`${OWN_PREFIX}semaphore`);

/** The key of a slot of that semaphore, in the same hash slot too. */
export function slotKeyOf(key: string, slot: number): string {
  return companions(`${OWN_PREFIX}slot:${slot}`)(key);
}

/** The key of the lock under which somebody gathers several of its slots, in the same hash slot too. */
export const mutexKeyOf: (key: string) => string = companions(`${OWN_PREFIX}gate`);

/** Whether the value of a lock key says that any number share it. */
export function isShared(value: string): boolean {
  return value === '&';
}

/** Whether the value of a lock key says that nobody owns it: it is kept for a waiter that was called. */
export function isReserved(value: string): boolean {
  return value.startsWith('~');
}

/** The value of a lock key that is kept for this waiter. */
export function reservedFor(member: string): string {
  return `~${member}`;
}

/** The token that a won round is about, and who is to confirm it. */
export interface TokenChoice {
  readonly token: number;
  /** How many nodes answered with this very token: these are confirmed already. */
  readonly confirmed: number;
}

/** The highest counter that a granting node answered, and how many nodes answered just this. */
export function chooseToken(votes: readonly NodeVote[]): TokenChoice {
  let token = 0;
  let confirmed = 0;
  for (const vote of votes) {
    if (vote.outcome !== 'granted') continue;
    if (vote.counter > token) {
      token = vote.counter;
      confirmed = 1;
    } else if (vote.counter === token) {
      confirmed += 1;
    }
  }
  return { token, confirmed };
}
