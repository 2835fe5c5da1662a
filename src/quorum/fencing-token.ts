import { companions } from '../base/companion-key.ts';
import type { NodeVote } from '../base/vote.ts';

/** The prefix of the library's own keys. */
export const OWN_PREFIX = 'quorlock:';

/** The key of the fence counter that belongs to a lock key, in the same hash slot of a Redis Cluster. */
export const fenceKeyOf: (key: string) => string = companions(`${OWN_PREFIX}fence`);

/** The key of the queue of a lock key's waiters, in the same hash slot of a Redis Cluster. */
export const queueKeyOf: (key: string) => string = companions(`${OWN_PREFIX}queue`);

/** The key of the set of a lock key's sharers, in the same hash slot of a Redis Cluster. */
export const sharersKeyOf: (key: string) => string = companions(`${OWN_PREFIX}sharers`);

/** The key of the number of slots of the semaphore of this name, in the same hash slot of a Redis Cluster. */
export const semaphoreKeyOf: (key: string) => string = companions(`${OWN_PREFIX}semaphore`);

/** The key of a slot of that semaphore, in the same hash slot too. */
export function slotKeyOf(key: string, slot: number): string {
  return companions(`${OWN_PREFIX}slot:${slot}`)(key);
}

/** The key of the mutex of its batch acquires, in the same hash slot too. */
export const mutexKeyOf: (key: string) => string = companions(`${OWN_PREFIX}gate`);

/** Whether the value of a lock key says that it is shared. */
export function isShared(value: string): boolean {
  return value === '&';
}

/** Whether the value of a lock key says that it has no owner: it is reserved for a waiter that was notified. */
export function isReserved(value: string): boolean {
  return value.startsWith('~');
}

/** The value of a lock key that is reserved for this waiter. */
export function reservedFor(member: string): string {
  return `~${member}`;
}

/** The token of a won round, and how far it is confirmed. */
export interface TokenChoice {
  readonly token: number;
  /** How many nodes answered with this very token: these are confirmed already. */
  readonly confirmed: number;
}

/** The highest counter of the granting nodes, and how many of them answered just this. */
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
