import type { Request } from './batch-request.ts';
import type { Call } from './call-model.ts';
import type { Argument } from './key-store.ts';
import { askedAt, attempt, failureOf } from './lua-values.ts';
import { type Queues, RESERVED, reservationOf } from './queue-model.ts';
import { type BatchReply, FAILED, FOREIGN, GRANTED, HELD, LATE, QUARANTINED } from './reply-codes.ts';

/** ACQUIRE and CONTEND, as `wire/lua/acquire.lua` has them. */
export class Acquisition {
  readonly #call: Call;
  readonly #queues: Queues;
  readonly #request: Request;
  /** The keys that it has taken so far. */
  readonly #taken: string[] = [];

  constructor(call: Call, queues: Queues, request: Request) {
    this.#call = call;
    this.#queues = queues;
    this.#request = request;
  }

  run(): BatchReply {
    const { keys, queues, number, member } = this.#request;
    if (this.#call.isLate) return [LATE];
    if (!this.#call.voting()) return [QUARANTINED];
    const refused = keys.length === 1 ? this.#takeOne() : this.#takeAll();
    if (refused !== undefined) return refused;
    const reply: BatchReply = number === undefined ? [GRANTED, 0] : this.#count(number);
    const [code, counter = 0] = reply;
    if (member === '' || code !== GRANTED) return reply;
    const others = Math.max(...queues.map((queue) => this.#leave(queue)));
    return others === 0 ? reply : [GRANTED, counter, 0, others];
  }

  /** SET NX looks and takes in one command. */
  #takeOne(): BatchReply | undefined {
    const { keys, queues, value, ttl } = this.#request;
    const [key = ''] = keys;
    const [queue = ''] = queues;
    const { store } = this.#call;
    let isSet = false;
    const unset = failureOf(() => {
      isSet = store.setIfMissing(key, value, ttl);
    });
    if (isSet && this.#handOver(key, queue)) return this.#held([HELD, Number(this.#call.grace), ''], queues);
    if (!isSet) {
      const { owner, foreign } = this.#call.ownerOf(key);
      if (foreign !== undefined) return foreign;
      if (owner === value) return undefined;
      if (owner === undefined) return unset === undefined ? undefined : [FAILED, unset];
      if (!this.#isOpen(key, owner)) return this.#held(this.#call.refusal(key, owner), queues);
      const failure = failureOf(() => store.set(key, value, ttl));
      if (failure !== undefined) return [FAILED, failure];
    }
    this.#taken.push(key);
    return undefined;
  }

  /** All of several keys, or none. */
  #takeAll(): BatchReply | undefined {
    const { keys, queues, value, ttl } = this.#request;
    const { member, score } = this.#request;
    const free: string[] = [];
    const mine: number[] = [];
    const blocked: string[] = [];
    let held: BatchReply | undefined;
    let isOldest = member !== '';
    const asked = askedAt(score, this.#call.timeUs);
    for (const [index, key] of keys.entries()) {
      const queue = queues[index] ?? '';
      const { owner, foreign } = this.#call.ownerOf(key);
      if (foreign !== undefined) return foreign;
      const isBehind = this.#queues.isBehind(queue, member, score);
      const isKept = isBehind && (owner !== undefined || this.#queues.handToFirst(key, queue));
      const reserved = reservationOf(owner);
      const isMine = reserved?.member === member;
      if (isKept) isOldest = false;
      const isOpen = reserved !== undefined && member !== '' && (isMine || reserved.since > asked);
      if (owner === undefined ? !isKept : isOpen) {
        free.push(key);
        if (isMine) mine.push(index);
      } else if (owner !== value) {
        if (reserved !== undefined) isOldest = false;
        const reply = this.#call.refusal(key, owner ?? RESERVED);
        if (reply[0] === FOREIGN) return reply;
        if (held === undefined || Number(reply[1]) > Number(held[1])) held = reply;
        blocked.push(queue);
      }
    }
    if (held !== undefined) {
      const again = isOldest ? this.#queues.keep(free, member, score) : undefined;
      if (!isOldest) for (const index of mine) this.#unreserve(keys[index] ?? '', queues[index] ?? '');
      return this.#queues.refuse(held, blocked, member, score, again);
    }
    for (const key of free) {
      const failure = failureOf(() => this.#call.store.set(key, value, ttl));
      if (failure !== undefined) return this.#undo(failure);
      this.#taken.push(key);
    }
    return undefined;
  }

  /** Whether a waiter goes first, and the free key is reserved for it now. */
  #handOver(key: string, queue: string): boolean {
    const { member, score } = this.#request;
    return this.#queues.isBehind(queue, member, score) && this.#queues.handToFirst(key, queue);
  }

  /** A key that is reserved for this waiter is of no use to it without the others. */
  #unreserve(key: string, queue: string): void {
    if (!this.#queues.handToFirst(key, queue)) this.#call.store.delete(key);
  }

  #isOpen(key: string, owner: string): boolean {
    const { member, score } = this.#request;
    return this.#queues.isOpen(key, owner, member, score);
  }

  /** The waiter enters the queues of the keys that other values own. */
  #held(reply: BatchReply, queues: readonly string[]): BatchReply {
    const { member, score } = this.#request;
    return this.#queues.refuse(reply, queues, member, score);
  }

  /** Returns how many others wait. */
  #leave(queue: string): number {
    const { store } = this.#call;
    attempt(() => store.removeMember(queue, this.#request.member));
    return attempt(() => store.countMembers(queue)) ?? 0;
  }

  /** Raises the fence counters: one number above every one of them, and the same in each. */
  #count(number: Argument): BatchReply {
    const { fences } = this.#request;
    let token = 0;
    if (this.#taken.length === 0) {
      const counters = fences.map((fence) => this.#call.counter(fence));
      token = Math.max(...counters.map((counter) => counter ?? 0));
      if (token > 0 && counters.includes(undefined)) {
        for (const fence of fences) this.#call.setCounter(fence, token);
      }
      if (token > 0) return [GRANTED, token];
    }
    const floor = this.#call.clamp(number);
    for (const fence of fences) {
      const failure = failureOf(() => {
        token = Math.max(token, this.#call.raise(fence, floor));
      });
      if (failure !== undefined) return this.#undo(failure);
    }
    if (fences.length > 1) for (const fence of fences) this.#call.setCounter(fence, token);
    return [GRANTED, token];
  }

  #undo(message: string): BatchReply {
    for (const key of this.#taken) this.#call.store.delete(key);
    return [FAILED, message];
  }
}
