import { Acquisition } from './acquire-model.ts';
import type { Request } from './batch-request.ts';
import type { Call } from './call-model.ts';
import { RedisError } from './key-store.ts';
import { countOf, failureOf } from './lua-values.ts';
import { knows, type Queues, RESERVED } from './queue-model.ts';
import { type BatchReply, GRANTED, HELD, MISSING, QUARANTINED } from './reply-codes.ts';

/** The constants of `wire/lua/permit.lua`. */
const MOST_SLOTS = 1_000;
const MOST_TIMED = 100;

/** PERMIT, LEAVE-PERMIT and INSPECT-PERMIT, as `wire/lua/permit.lua` has them. */
export class Permits {
  readonly #call: Call;
  readonly #queues: Queues;
  readonly #request: Request;
  readonly #slots: readonly string[];

  constructor(call: Call, queues: Queues, request: Request) {
    this.#call = call;
    this.#queues = queues;
    this.#request = request;
    const permits = request.name === 'permit' ? request.permits : String(request.ttl);
    const count = countOf(permits);
    const [, before, slot, after] = /^(quorlock:slot:)(\d+)(:.*)$/s.exec(this.#key) ?? [];
    if (slot === undefined || count === undefined || count > MOST_SLOTS || Number(slot) >= count)
      throw new RedisError(`not a slot of ${permits}`);
    this.#slots = Array.from({ length: count }, (_, index) => `${before}${index}${after}`);
  }

  run(): BatchReply {
    switch (this.#request.name) {
      case 'permit':
        return this.#take();
      case 'leave-permit':
        this.#passOn(this.#request.value);
        return [GRANTED, 1];
      default:
        return this.#inspect();
    }
  }

  get #key(): string {
    return this.#request.keys[0] ?? '';
  }

  get #queue(): string {
    return this.#request.queues[0] ?? '';
  }

  #take(): BatchReply {
    const { store, grace } = this.#call;
    const { member, value } = this.#request;
    if (this.#call.isLate || !this.#call.voting()) return this.#acquire();
    const { owner, foreign } = this.#call.ownerOf(this.#key);
    if (foreign !== undefined) return foreign;
    const isOpen = owner === undefined || owner.startsWith(RESERVED);
    const mine = this.#queues.reservedFor(member);
    const hasOne = member !== '' && (owner === mine || this.#owners().includes(mine));
    if (hasOne && isOpen) {
      this.#passOn(member, this.#key, owner === mine ? undefined : owner);
      store.set(this.#key, mine, grace);
      return this.#refusal(this.#acquire(), false);
    }
    if (hasOne && owner !== value) return this.#refusal(this.#call.refusal(this.#key, owner ?? ''), hasOne);
    return this.#refusal(this.#acquire(), false);
  }

  #acquire(): BatchReply {
    return new Acquisition(this.#call, this.#queues, this.#request).run();
  }

  /** Adds to a refusal what the waiter needs to know. */
  #refusal(reply: BatchReply, hasOne: boolean): BatchReply {
    const [code, remaining = 0, holder = '', rank = 0] = reply;
    if (code !== HELD) return reply;
    const open: number[] = [];
    let soonest = Number(remaining);
    for (const [slot, owner] of this.#owners().entries()) {
      const left = this.#call.store.ttlOf(this.#slots[slot] ?? '');
      if (owner === undefined || (hasOne && owner.startsWith(RESERVED))) open.push(slot);
      const isTold = owner !== undefined && this.#request.member !== '' && slot < MOST_TIMED && left >= 0;
      if (isTold) soonest = Math.min(soonest, left);
    }
    return [HELD, soonest, holder, rank, open.join(',')];
  }

  /** MGET: what is no string is nothing to it. */
  #owners(): readonly (string | undefined)[] {
    const { store } = this.#call;
    return this.#slots.map((slot) => (store.typeOf(slot) === 'string' ? store.get(slot) : undefined));
  }

  /** Passes on what is reserved for the waiter, but for one key: one slot to the heir, if there is one. */
  #passOn(member: string, kept?: string, heir?: string): void {
    const { store, grace } = this.#call;
    failureOf(() => store.removeMember(this.#queue, member));
    let rest = heir;
    for (const [index, owner] of this.#owners().entries()) {
      const slot = this.#slots[index] ?? '';
      if (owner !== this.#queues.reservedFor(member) || slot === kept) continue;
      if (rest !== undefined && knows(rest, `:${index}`)) {
        store.set(slot, rest, grace);
        rest = undefined;
      } else if (!this.#queues.handToFirst(slot, this.#queue)) {
        store.delete(slot);
      }
    }
  }

  #inspect(): BatchReply {
    const owners = this.#owners();
    if (owners.includes(undefined)) return this.#call.voting() ? [MISSING, 0] : [QUARANTINED];
    return [HELD, 1, this.#call.store.get(this.#key) ?? owners[0] ?? '', 0];
  }
}
