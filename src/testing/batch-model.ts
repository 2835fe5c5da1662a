import { Acquisition } from './acquire-model.ts';
import { type Request, requestsOf } from './batch-request.ts';
import { type BatchServer, Call } from './call-model.ts';
import { type Argument, RedisError } from './key-store.ts';
import { attempt, type ScriptReply, SHARED } from './lua-values.ts';
import { Permits } from './permit-model.ts';
import { Queues, reservationOf } from './queue-model.ts';
import {
  type BatchReply,
  FAILED,
  GRANTED,
  HELD,
  LATE,
  MISSING,
  QUARANTINED,
  QUEUE,
  SUPERSEDED,
} from './reply-codes.ts';
import { Shares } from './share-model.ts';

/** How many waiters WAITING names at the most, see `wire/lua/waiting.lua`. */
const MOST_NAMED = 100;

/** The batch script, `wire/lua/*.lua`, in TypeScript. The conformance suite holds the two equal. */
export function runBatch(
  server: BatchServer,
  keys: readonly string[],
  args: readonly Argument[],
): readonly ScriptReply[] {
  const call = new Call(server, keys, args);
  const requests = requestsOf(keys, args);
  if (!isReleaseAlone(call, requests)) call.check();
  const batch = new Batch(call);
  const replies: ScriptReply[] = [call.timeUs];
  for (const request of requests) {
    const reply = batch.run(request);
    replies.push(SHORT.has(request.name) ? inShort(reply) : reply);
  }
  return replies;
}

/** Whether it is a release alone in the ordinary case, which looks at nothing else. */
function isReleaseAlone({ store, timeUs }: Call, [request, ...others]: readonly Request[]): boolean {
  const { name, keys = [], queues = [], value } = request ?? {};
  const [key = ''] = keys;
  return (
    timeUs === 0 &&
    others.length === 0 &&
    name === 'release' &&
    keys.length === 1 &&
    store.typeOf(queues[0] ?? '') === 'none' &&
    store.typeOf(key) === 'string' &&
    store.get(key) === value &&
    (store.writeError === undefined || store.writeError.startsWith('OOM'))
  );
}

/** The operations that answer their counter alone where they are granted. */
const SHORT: ReadonlySet<string> = new Set(['acquire', 'contend', 'release']);

/** The short reply, unless there is more to say. */
function inShort(reply: BatchReply): ScriptReply {
  const [code, counter, notified] = reply;
  return code === GRANTED && counter !== undefined && notified === undefined ? counter : reply;
}

class Batch {
  readonly #call: Call;
  readonly #queues: Queues;

  constructor(call: Call) {
    this.#call = call;
    this.#queues = new Queues(call);
  }

  run(request: Request): BatchReply {
    try {
      switch (request.name) {
        case 'acquire':
        case 'contend':
          return new Acquisition(this.#call, this.#queues, request).run();
        case 'confirm':
          return this.#confirm(request);
        case 'extend':
        case 'adopt':
          return this.#extend(request);
        case 'release':
          return this.#release(request);
        case 'inspect':
          return this.#inspect(request);
        case 'enter':
          return this.#enter(request);
        case 'leave':
          return this.#leave(request);
        case 'waiting':
          return this.#waiting(request);
        case 'share':
        case 'confirm-share':
        case 'extend-share':
        case 'adopt-share':
        case 'release-share':
          return new Shares(this.#call, this.#queues, request).run();
        case 'permit':
        case 'leave-permit':
        case 'inspect-permit':
          return new Permits(this.#call, this.#queues, request).run();
        default:
          return [FAILED, `there is no operation ${request.name}`];
      }
    } catch (error) {
      if (error instanceof RedisError) return [FAILED, error.message];
      throw error;
    }
  }

  #confirm({ keys, fences, value, number = '' }: Request): BatchReply {
    if (!this.#call.voting()) return [QUARANTINED];
    const { token = 0, none } = this.#call.tokenOf(number);
    if (none !== undefined) return none;
    for (const [index, key] of keys.entries()) {
      const { owner, foreign } = this.#call.ownerOf(key);
      if (foreign !== undefined) return foreign;
      if (owner === undefined) return [MISSING];
      if (owner !== value) return this.#call.refusal(key, owner);
      const counter = this.#call.counter(fences[index] ?? '');
      if (counter !== undefined && counter > token) return [SUPERSEDED, counter];
    }
    for (const fence of fences) this.#call.setCounter(fence, token);
    return [GRANTED, token];
  }

  #extend({ name, keys, fences, value, ttl, number, previous }: Request): BatchReply {
    if (this.#call.isLate) return [LATE];
    if (!this.#call.voting()) return [QUARANTINED];
    const { store } = this.#call;
    const { token, none } = this.#call.termsOf(ttl, number);
    if (none !== undefined) return none;
    const isAdopted = name === 'adopt';
    const taken = new Set<string>();
    for (const [index, key] of keys.entries()) {
      const { owner, foreign } = this.#call.ownerOf(key);
      if (foreign !== undefined) return foreign;
      if (owner === undefined && (isAdopted || token === undefined)) return [MISSING];
      if (owner === undefined || (isAdopted && owner === previous)) {
        taken.add(key);
      } else if (owner !== value) {
        return this.#call.refusal(key, owner);
      }
      if (token !== undefined) {
        const counter = this.#call.counter(fences[index] ?? '');
        if (counter !== undefined && counter > token) return [SUPERSEDED, counter];
      }
    }
    for (const [index, key] of keys.entries()) {
      const remaining = store.ttlOf(key);
      if (taken.has(key)) store.set(key, value, remaining > Number(ttl) ? remaining : ttl);
      else if (remaining < Number(ttl)) store.expire(key, ttl);
      if (token !== undefined) this.#call.setCounter(fences[index] ?? '', token);
    }
    return [GRANTED, token ?? 0];
  }

  #release({ keys, queues, value }: Request): BatchReply {
    let freed = 0;
    let isNotified = false;
    let other: BatchReply | undefined;
    for (const [index, key] of keys.entries()) {
      const queue = queues[index] ?? '';
      const { owner, foreign } = this.#call.ownerOf(key);
      if (foreign !== undefined) {
        other ??= foreign;
      } else if (owner === value) {
        freed += 1;
        if (this.#queues.tryHandOver(key, queue)) isNotified = true;
        else this.#call.store.delete(key);
      } else if (owner !== undefined) {
        other ??= this.#call.refusal(key, owner);
      } else if (this.#queues.tryHandOver(key, queue)) {
        isNotified = true;
      }
    }
    if (freed > 0) return isNotified ? [GRANTED, freed, 1] : [GRANTED, freed];
    if (other !== undefined) return other;
    return isNotified ? [MISSING, 0, 1] : [MISSING];
  }

  #inspect({ keys: [key = ''], fences: [fence] }: Request): BatchReply {
    const { owner, foreign } = this.#call.ownerOf(key);
    if (foreign !== undefined) return foreign;
    const counter = fence === undefined ? 0 : (this.#call.counter(fence) ?? 0);
    if (owner === undefined) return this.#call.voting() ? [MISSING, counter] : [QUARANTINED];
    const reply = this.#call.refusal(key, owner);
    return reply[0] === HELD ? [HELD, reply[1] ?? 0, owner, counter] : reply;
  }

  #enter({ queues, value: member, ttl: score }: Request): BatchReply {
    if (this.#call.isLate) return [LATE];
    for (const queue of queues) this.#queues.enter(queue, member, score);
    return [GRANTED, queues.length];
  }

  #leave({ keys, queues, value: member, ttl: isHung }: Request): BatchReply {
    const { store } = this.#call;
    const dot = member.lastIndexOf('.');
    const hung = Number(isHung) === 1 && dot !== -1 ? member.slice(0, dot + 1) : undefined;
    for (const [index, key] of keys.entries()) {
      const queue = queues[index] ?? '';
      const left = attempt(() => store.removeMember(queue, member));
      if (left === 1 && hung !== undefined) this.#queues.notify(member);
      const { owner } = this.#call.ownerOf(key);
      if (owner === SHARED) this.#queues.notifySharers(queue);
      else if (reservationOf(owner)?.member === member && !this.#queues.handToFirst(key, queue, hung))
        store.delete(key);
    }
    return [GRANTED, keys.length];
  }

  #waiting({ queues: [queue = ''] }: Request): BatchReply {
    const waiters = this.#call.store.firstMembers(queue, MOST_NAMED);
    return [QUEUE, ...waiters.flatMap(({ member, score }) => [member, String(score)])];
  }
}
