import type { Call } from './call-model.ts';
import type { Argument } from './key-store.ts';
import { askedAt, attempt, digits } from './lua-values.ts';
import { type BatchReply, HELD } from './reply-codes.ts';

/** The constants of `wire/lua/queue.lua`. */
export const RESERVED = '~';
const MOST_DEAF = 1_000;

/** The queues of waiters for lock keys, as `wire/lua/queue.lua` has them. */
export class Queues {
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  /** Whether the waiter may take a key with this value: it is reserved for it, or kept for a younger one. */
  isOpen(key: string, owner: string | undefined, member: string, score: Argument): boolean {
    const { store, timeUs, grace } = this.#call;
    const reservation = reservationOf(owner);
    if (reservation === undefined || member === '') return false;
    if (reservation.member === member) return true;
    return reservation.since > askedAt(score, timeUs) && store.ttlOf(key) > Number(grace);
  }

  /** Reserves free keys for the oldest waiter. Returns when it has to ask again, in milliseconds. */
  keep(keys: readonly string[], member: string, score: Argument): number {
    const { store, timeUs } = this.#call;
    const reservation = `${RESERVED}${member}:${digits(askedAt(score, timeUs))}`;
    const time = this.patience(score);
    for (const key of keys) attempt(() => store.set(key, reservation, time));
    return Math.floor(time / 2);
  }

  /** For how many milliseconds a waiter is trusted to be there. */
  patience(score: Argument): number {
    const { timeUs } = this.#call;
    const grace = Number(this.#call.grace);
    return Math.floor(Math.min(40 * grace, Math.max(2 * grace, (timeUs - askedAt(score, timeUs)) / 2_000)));
  }

  /** Takes the first waiter out and notifies it. Whether its process hears that. */
  notifyFirst(queue: string): boolean {
    const first = this.#call.store.popFirstMember(queue);
    return first !== undefined && this.notify(first.member);
  }

  /** The value of a slot that is reserved for a waiter. */
  reservedFor(member: string): string {
    return RESERVED + member;
  }

  /**
   * Reserves a key without an owner for the first waiter. False: none was notified, and the key is as before.
   *
   * @param hung how the names of waiters begin that are passed over
   */
  handToFirst(key: string, queue: string, hung?: string): boolean {
    const { store } = this.#call;
    const slot = /^quorlock:slot(:\d+):/.exec(key)?.[1];
    let at = 0;
    for (let looked = 0; looked < MOST_DEAF; looked += 1) {
      const first = attempt(() =>
        slot === undefined ? store.popFirstMember(queue) : store.firstMembers(queue, at + 1)[at],
      );
      if (first === undefined) return false;
      if (slot !== undefined && !knows(first.member, slot)) {
        at += 1;
        continue;
      }
      if (slot !== undefined) store.removeMember(queue, first.member);
      const isHeard = this.notify(first.member, slot);
      const isHung = hung !== undefined && first.member.startsWith(hung);
      const reservation = this.reservedFor(first.member);
      if (isHeard && !isHung)
        return this.#reserve(key, slot === undefined ? `${reservation}:${first.score}` : reservation);
    }
    return false;
  }

  /** As {@link handToFirst}, without as much as a write where there is no queue. */
  tryHandOver(key: string, queue: string): boolean {
    return this.#call.store.typeOf(queue) !== 'none' && this.handToFirst(key, queue);
  }

  /** How many waiters are before it. */
  enter(queue: string, member: string, score: Argument): number {
    const { store, timeUs, maxTtl } = this.#call;
    const since = digits(askedAt(score, timeUs));
    if (attempt(() => store.addMember(queue, since, member)) === undefined) return 0;
    if (store.ttlOf(queue) < 2 * maxTtl) store.expire(queue, 2 * maxTtl);
    return store.rankOf(queue, member) ?? 0;
  }

  /**
   * The reply to a waiter that is refused because of these queues' keys: it enters them, if a held key is the cause.
   */
  refuse(
    reply: BatchReply,
    queues: readonly string[],
    member: string,
    score: Argument,
    again?: number,
  ): BatchReply {
    const [code, remaining = 0, holder = ''] = reply;
    if (member === '' || code !== HELD) return reply;
    const before = Math.max(0, ...queues.map((queue) => this.enter(queue, member, score)));
    const refusal: BatchReply = [HELD, remaining, holder, before, queues.length];
    return again === undefined ? refusal : [...refusal, again];
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
    const { store } = this.#call;
    if (store.typeOf(queue) === 'none') return;
    for (let notified = 0; notified < MOST_DEAF; notified += 1) {
      const member = attempt(() => store.firstMembers(queue, 1))?.[0]?.member;
      if (member === undefined || !isSharer(member)) return;
      store.removeMember(queue, member);
      this.notify(member);
    }
  }

  /** Whether the waiter's process hears that it is notified. */
  notify(member: string, slot = ''): boolean {
    const dot = member.lastIndexOf('.');
    if (dot === -1) return false;
    const { server } = this.#call;
    return server.publish(`quorlock:wake:${member.slice(0, dot)}`, member.slice(dot + 1) + slot) > 0;
  }

  #reserve(key: string, reservation: string): boolean {
    const { store, grace } = this.#call;
    return (
      attempt(() => {
        store.set(key, reservation, grace);
        return true;
      }) === true
    );
  }
}

/** Whether a waiter for a permit knows of this slot, `:<slot>`. */
export function knows(member: string, slot: string): boolean {
  const [, known] = /\/(\d+)$/.exec(member) ?? [];
  return known === undefined || Number(known) > Number(slot.slice(1));
}

/** The waiter that a key with this value is reserved for, and since when it waits. Undefined: it is not reserved. */
export function reservationOf(owner = ''): { readonly member: string; readonly since: number } | undefined {
  const [, member, since] = /^~(.*):(\d+)$/s.exec(owner) ?? [];
  if (member !== undefined) return { member, since: Number(since) };
  return owner.startsWith(RESERVED) ? { member: owner.slice(1), since: 0 } : undefined;
}

/** Whether the waiter's name in it says that it would share the lock. */
function isSharer(member: string): boolean {
  return /\.\+[^.]*$/s.test(member);
}
