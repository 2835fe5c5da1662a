import type { Request } from './batch-request.ts';
import type { Call } from './call-model.ts';
import type { Argument } from './key-store.ts';
import { digits, failureOf, SHARED } from './lua-values.ts';
import { type Queues, RESERVED } from './queue-model.ts';
import {
  type BatchReply,
  BEHIND,
  FAILED,
  GRANTED,
  HELD,
  LATE,
  MISSING,
  QUARANTINED,
  SUPERSEDED,
} from './reply-codes.ts';

/** The reply to a grant without a token. */
const PLAIN: BatchReply = [GRANTED, 0];

/** SHARE, CONFIRM-SHARE, EXTEND-SHARE, ADOPT-SHARE and RELEASE-SHARE, as `wire/lua/share.lua` has them. */
export class Shares {
  readonly #call: Call;
  readonly #queues: Queues;
  readonly #request: Request;
  readonly #key: string;
  readonly #fence: string;
  readonly #queue: string;
  readonly #sharers: string;
  readonly #nowMs: number;

  constructor(call: Call, queues: Queues, request: Request) {
    this.#call = call;
    this.#queues = queues;
    this.#request = request;
    this.#key = request.keys[0] ?? '';
    this.#fence = request.fences[0] ?? '';
    this.#queue = request.queues[0] ?? '';
    this.#sharers = request.besides ?? '';
    this.#nowMs = Math.floor(call.timeUs / 1_000);
  }

  run(): BatchReply {
    switch (this.#request.name) {
      case 'share':
        return this.#share();
      case 'confirm-share':
        return this.#confirm();
      case 'extend-share':
      case 'adopt-share':
        return this.#extend();
      default:
        return this.#release();
    }
  }

  #share(): BatchReply {
    const { value, ttl, number, member, score, previous } = this.#request;
    if (this.#call.isLate) return [LATE];
    if (!this.#call.voting()) return [QUARANTINED];
    const none = this.#call.badTtl(ttl);
    if (none !== undefined) return none;
    const { owner, foreign } = this.#call.ownerOf(this.#key);
    if (foreign !== undefined) return foreign;
    const isHandedOver = owner !== undefined && previous !== '' && owner === previous;
    const isReserved = this.#queues.isOpen(this.#key, owner, member, score);
    const isFree = owner === undefined || isHandedOver || isReserved;
    const isBehind = () => this.#queues.isBehind(this.#queue, member, score);
    if (owner === SHARED) {
      if (this.#shareOf(value) !== undefined) return this.#answerAgain();
      const again = this.#waitBehind();
      if (again !== undefined) {
        const [code, ...rest] = this.#refuse(this.#call.refusal(this.#key, owner), again);
        return [code === HELD ? BEHIND : code, ...rest];
      }
    } else if (!isFree) {
      return this.#refuse(this.#call.refusal(this.#key, owner));
    } else if (owner === undefined && isBehind() && this.#queues.handToFirst(this.#key, this.#queue)) {
      return this.#refuse([HELD, Number(this.#call.grace), '']);
    }
    const raised = number === undefined ? PLAIN : this.#raise(number);
    if (raised[0] === FAILED) return raised;
    const failure = this.#take(isFree);
    if (failure !== undefined) return [FAILED, failure];
    if (member !== '') failureOf(() => this.#call.store.removeMember(this.#queue, member));
    this.#queues.notifySharers(this.#queue);
    return raised;
  }

  /** In how many milliseconds a sharer may ask again that is behind a waiter who wants the key alone. */
  #waitBehind(): number | undefined {
    const { member, score } = this.#request;
    const { store } = this.#call;
    const grace = Number(this.#call.grace);
    const notified = store.scoreOf(this.#sharers, RESERVED);
    const age = notified === undefined ? Number.POSITIVE_INFINITY : this.#nowMs + notified;
    if (age < grace) return Math.floor(this.#queues.patience(score) / 2);
    this.#queues.notifySharers(this.#queue);
    while (this.#queues.isBehind(this.#queue, member, score)) {
      if (age < 2 * grace) return this.#queues.patience(score);
      if (this.#queues.notifyFirst(this.#queue)) {
        store.addMember(this.#sharers, digits(-this.#nowMs), RESERVED);
        return Math.floor(this.#queues.patience(score) / 2);
      }
    }
    return undefined;
  }

  /** The value has a share already. */
  #answerAgain(): BatchReply {
    const { number } = this.#request;
    if (number === undefined) return PLAIN;
    const counter = this.#call.counter(this.#fence);
    return counter === undefined ? this.#raise(number) : [GRANTED, counter];
  }

  #raise(number: Argument): BatchReply {
    let counter = 0;
    const failure = failureOf(() => {
      counter = this.#call.raise(this.#fence, this.#call.clamp(number));
    });
    return failure === undefined ? [GRANTED, counter] : [FAILED, failure];
  }

  #confirm(): BatchReply {
    const { value, number = '' } = this.#request;
    if (!this.#call.voting()) return [QUARANTINED];
    const { token = 0, none } = this.#call.tokenOf(number);
    if (none !== undefined) return none;
    const { owner, foreign } = this.#call.ownerOf(this.#key);
    if (foreign !== undefined) return foreign;
    if (owner === undefined) return [MISSING];
    if (owner !== SHARED) return this.#call.refusal(this.#key, owner);
    if (this.#shareOf(value) === undefined) return [MISSING];
    const counter = this.#call.counter(this.#fence);
    if (counter === undefined || counter < token) this.#call.setCounter(this.#fence, token);
    return [GRANTED, token];
  }

  #extend(): BatchReply {
    const { name, value, ttl, number, previous } = this.#request;
    if (this.#call.isLate) return [LATE];
    if (!this.#call.voting()) return [QUARANTINED];
    const { token, none } = this.#call.termsOf(ttl, number);
    if (none !== undefined) return none;
    const { owner, foreign } = this.#call.ownerOf(this.#key);
    if (foreign !== undefined) return foreign;
    if (owner !== undefined && owner !== SHARED) return this.#call.refusal(this.#key, owner);
    const isAdopted = name === 'adopt-share';
    let known = owner === SHARED ? this.#shareOf(value) : undefined;
    if (isAdopted && known === undefined && owner === SHARED) {
      known = this.#shareOf(previous);
      const failure = known === undefined ? undefined : failureOf(() => this.#move(digits(known ?? 0)));
      if (failure !== undefined) return [FAILED, failure];
    }
    if (known === undefined && (isAdopted || token === undefined)) return [MISSING];
    if (token !== undefined) {
      const counter = this.#call.counter(this.#fence);
      if (known === undefined && counter !== undefined && counter > token) return [SUPERSEDED, counter];
      const failure = failureOf(() => this.#call.setCounter(this.#fence, Math.max(counter ?? 0, token)));
      if (failure !== undefined) return [FAILED, failure];
    }
    if (known === undefined || known < this.#nowMs + Number(ttl)) {
      const failure = this.#take(owner === undefined);
      if (failure !== undefined) return [FAILED, failure];
    }
    return [GRANTED, token ?? 0];
  }

  #release(): BatchReply {
    const { store } = this.#call;
    const { owner, foreign } = this.#call.ownerOf(this.#key);
    if (foreign !== undefined) return foreign;
    if (owner !== undefined && owner !== SHARED) return this.#call.refusal(this.#key, owner);
    let isFreed = false;
    const failure = failureOf(() => {
      isFreed = owner === SHARED && store.removeMember(this.#sharers, this.#request.value) === 1;
    });
    if (failure !== undefined) return [FAILED, failure];
    const last = isFreed ? store.lastMember(this.#sharers) : undefined;
    if (last !== undefined) store.expireAt(this.#key, last.score);
    const isGone = owner === undefined || (isFreed && store.typeOf(this.#key) === 'none');
    const isOver = isGone || (isFreed && last === undefined);
    const isNotified = isOver && this.#queues.tryHandOver(this.#key, this.#queue);
    if (isFreed && isOver) {
      store.delete(this.#sharers);
      if (!isNotified) store.delete(this.#key);
    }
    if (isFreed) return isNotified ? [GRANTED, 1, 1] : [GRANTED, 1];
    return isNotified ? [MISSING, 0, 1] : [MISSING];
  }

  /** The value has the share of another one from now on. */
  #move(expires: string): void {
    const { value, previous } = this.#request;
    this.#call.store.addMember(this.#sharers, expires, value);
    this.#call.store.removeMember(this.#sharers, previous);
  }

  /** Until when a value has a share, if that lives. */
  #shareOf(value: string): number | undefined {
    const score = this.#call.store.scoreOf(this.#sharers, value);
    return score !== undefined && score >= this.#nowMs ? score : undefined;
  }

  /** Gives the value a share. `isFirst`: no other value has one. Returns the error, if any. */
  #take(isFirst: boolean): string | undefined {
    const { store } = this.#call;
    const { value, ttl } = this.#request;
    if (isFirst) {
      const failure = failureOf(() => store.set(this.#key, SHARED, ttl));
      if (failure !== undefined) return failure;
      store.delete(this.#sharers);
    }
    const failure = failureOf(() =>
      store.addMember(this.#sharers, digits(Math.floor(this.#call.timeUs / 1_000 + Number(ttl))), value),
    );
    if (failure !== undefined) {
      if (isFirst) store.delete(this.#key);
      return failure;
    }
    for (const key of [this.#key, this.#sharers]) {
      if (store.ttlOf(key) < Number(ttl)) store.expire(key, ttl);
    }
    if (!isFirst) store.removeBelow(this.#sharers, this.#nowMs);
    return undefined;
  }

  /** The waiter enters the queue of the key that refused it. */
  #refuse(reply: BatchReply, again?: number): BatchReply {
    const { member, score } = this.#request;
    return this.#queues.refuse(reply, [this.#queue], member, score, again);
  }
}
