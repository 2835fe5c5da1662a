import type { Call } from './call-model.ts';
import type { Argument } from './key-store.ts';
import { askedAt, attempt, digits } from './lua-values.ts';
import { type BatchReply, HELD } from './reply-codes.ts';

/** The constants of `wire/lua/queue.lua`. */
const RESERVED = '~';
const MOST_DEAF = 64;

/** The queues of waiters for lock keys, as `wire/lua/queue.lua` has them. */
export class Queues {
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  /** The value of a key that is reserved for a waiter. */
  reservedFor(member: string): string {
    return RESERVED + member;
  }

  /** Reserves a key without an owner for the first waiter. False: none was notified, and the key is as before. */
  handToFirst(key: string, queue: string): boolean {
    const member = this.#notifyFirst(queue, /^quorlock:slot(:\d+):/.exec(key)?.[1] ?? '');
    return member !== undefined && this.#reserve(key, member);
  }

  /** As {@link handToFirst}, without as much as a write where there is no queue. */
  tryHandOver(key: string, queue: string): boolean {
    return this.#call.store.typeOf(queue) !== 'none' && this.handToFirst(key, queue);
  }

  /** How many waiters are before it; undefined if it could not enter. */
  enter(queue: string, member: string, score: Argument): number | undefined {
    const { store, timeUs, maxTtl } = this.#call;
    const asked = askedAt(score, timeUs);
    const since = digits(asked <= timeUs && Number.isInteger(asked) ? asked : timeUs);
    if (attempt(() => store.addMember(queue, since, member)) === undefined) return undefined;
    if (store.ttlOf(queue) < 2 * maxTtl) store.expire(queue, 2 * maxTtl);
    return store.rankOf(queue, member);
  }

  /**
   * The reply to a waiter that is refused because of these queues' keys: it enters them, if a held key is the cause.
   */
  refuse(reply: BatchReply, queues: readonly string[], member: string, score: Argument): BatchReply {
    const [code, remaining = 0] = reply;
    if (member === '' || code !== HELD) return reply;
    let before: number | undefined;
    for (const queue of queues) {
      const rank = this.enter(queue, member, score);
      if (rank !== undefined) before = Math.max(before ?? 0, rank);
    }
    return before === undefined ? [HELD, remaining] : [HELD, remaining, before];
  }

  /** Whether another waiter is first, and before this one; a caller that does not wait is behind all waiters. */
  isBehind(queue: string, member: string, score: Argument): boolean {
    const { store, timeUs } = this.#call;
    if (store.typeOf(queue) !== 'zset') return false;
    const [first] = store.firstMembers(queue, 1);
    if (first === undefined || first.member === member) return false;
    return member === '' || first.score < askedAt(score, timeUs);
  }

  /** Notifies the first waiters, as long as they would share the lock with its present sharers. */
  notifySharers(queue: string): void {
    const { store, server } = this.#call;
    if (store.typeOf(queue) === 'none') return;
    for (let notified = 0; notified < MOST_DEAF; notified += 1) {
      const member = attempt(() => store.firstMembers(queue, 1))?.[0]?.member;
      if (member === undefined || !isSharer(member)) return;
      store.removeMember(queue, member);
      const dot = member.lastIndexOf('.+');
      server.publish(`quorlock:wake:${member.slice(0, dot)}`, member.slice(dot + 1));
    }
  }

  /** Pops the first waiter whose process hears the notification, which names the slot of a semaphore. */
  #notifyFirst(queue: string, slot: string): string | undefined {
    const { store, server } = this.#call;
    for (let popped = 0; popped < MOST_DEAF; popped += 1) {
      const member = attempt(() => store.popFirstMember(queue))?.member;
      if (member === undefined) return undefined;
      const dot = member.lastIndexOf('.');
      if (dot === -1) continue;
      const heard = server.publish(`quorlock:wake:${member.slice(0, dot)}`, member.slice(dot + 1) + slot);
      if (heard > 0) return member;
    }
    return undefined;
  }

  #reserve(key: string, member: string): boolean {
    const { store, grace } = this.#call;
    return (
      attempt(() => {
        store.set(key, this.reservedFor(member), grace);
        return true;
      }) === true
    );
  }
}

/** Whether the waiter's name in it says that it would share the lock. */
function isSharer(member: string): boolean {
  return member.includes('.+');
}
