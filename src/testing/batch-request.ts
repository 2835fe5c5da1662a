import type { Argument } from './key-store.ts';

/** The number of arguments of a call's header, of an operation, and of a long one; see `wire/lua/batch.lua`. */
export const HEADER_LENGTH = 2;
const OPERATION_LENGTH = 5;
const LONG_LENGTH = 8;
const RUN_LENGTH = 4;

/** The operations that have nothing to do with waiting. */
const WITHOUT_QUEUES: ReadonlySet<string> = new Set(['confirm', 'extend', 'adopt', 'inspect']);

/** The operations with three arguments more. */
const LONG: ReadonlySet<string> = new Set(['contend', 'share', 'permit', 'adopt', 'adopt-share']);

/** The operations with one key more. */
const WITH_ONE_MORE: ReadonlySet<string> = new Set([
  'share',
  'confirm-share',
  'extend-share',
  'adopt-share',
  'release-share',
]);

const NONE: readonly string[] = [];

/** One operation of a batch, its keys and arguments taken apart. */
export interface Request {
  readonly name: string;
  readonly keys: readonly string[];
  /** The fence counters that belong to the keys; empty if it is plain. */
  readonly fences: readonly string[];
  /** The queues that belong to the keys; empty if it has nothing to do with waiting. */
  readonly queues: readonly string[];
  /** For ENTER and LEAVE, the member. */
  readonly value: string;
  /** For ENTER, the score; for LEAVE-PERMIT and INSPECT-PERMIT, the number of permits. */
  readonly ttl: Argument;
  /** Undefined if it is plain. */
  readonly number: Argument | undefined;
  /**
   * Of long operations: the waiter if it is refused, since when it waits, and the lock value it takes over; each may be
   * empty.
   */
  readonly member: string;
  readonly score: Argument;
  readonly previous: string;
  /** The key that follows the others: of a share, the set of the sharers. */
  readonly besides: string | undefined;
  /** Of a permit: how many the caller takes the semaphore to have. */
  readonly permits: string;
}

/** The operations of a call of the batch script. */
export function requestsOf(keys: readonly string[], args: readonly Argument[]): readonly Request[] {
  const requests: Request[] = [];
  // Without a number of nodes, or a deadline, there is no marker.
  let key = String(args[0]).startsWith(' ') || args[1] === '' ? 0 : 1;
  let at = HEADER_LENGTH;
  while (at < args.length) {
    const name = args[at];
    const isRun = name === 'acquires' || name === 'releases';
    const part = isRun ? runFrom(keys, key, args, at) : singleFrom(keys, key, args, at);
    requests.push(...part.requests);
    key += part.keyCount;
    at += part.argumentCount;
  }
  return requests;
}

/** An operation, or a batch of them, and where the next one begins. */
interface Part {
  readonly requests: readonly Request[];
  readonly keyCount: number;
  readonly argumentCount: number;
}

function singleFrom(keys: readonly string[], key: number, args: readonly Argument[], at: number): Part {
  const name = String(args[at] ?? '');
  const count = Number(args[at + 1]);
  const number = args[at + 4] ?? '';
  const fences = number === '' ? 0 : count;
  const queues = WITHOUT_QUEUES.has(name) ? 0 : count;
  const isLong = LONG.has(name);
  const besides = WITH_ONE_MORE.has(name) ? 1 : 0;
  const last = isLong ? String(args[at + 7] ?? '') : '';
  const request = {
    name,
    keys: keys.slice(key, key + count),
    fences: fences === 0 ? NONE : keys.slice(key + count, key + count + fences),
    queues: queues === 0 ? NONE : keys.slice(key + count + fences, key + count + fences + queues),
    value: String(args[at + 2] ?? ''),
    ttl: args[at + 3] ?? '',
    number: number === '' ? undefined : number,
    member: isLong ? String(args[at + 5] ?? '') : '',
    score: isLong ? (args[at + 6] ?? '') : '',
    previous: last,
    besides: besides === 0 ? undefined : keys[key + count + fences + queues],
    permits: last,
  };
  return {
    requests: [request],
    keyCount: count + fences + queues + besides,
    argumentCount: isLong ? LONG_LENGTH : OPERATION_LENGTH,
  };
}

function runFrom(keys: readonly string[], key: number, args: readonly Argument[], at: number): Part {
  const name = args[at] === 'acquires' ? 'acquire' : 'release';
  const count = Number(args[at + 1]);
  const ttl = name === 'acquire' ? (args[at + 2] ?? '') : 0;
  const isFenced = name === 'acquire' && args[at + 3] !== '';
  const width = isFenced ? 2 : 1;
  const requests = Array.from({ length: count }, (_, index): Request => {
    const value = at + RUN_LENGTH + index * width;
    const queue = key + index + width * count;
    return {
      name,
      keys: keys.slice(key + index, key + index + 1),
      fences: isFenced ? keys.slice(key + index + count, key + index + count + 1) : NONE,
      queues: keys.slice(queue, queue + 1),
      value: String(args[value] ?? ''),
      ttl,
      number: isFenced ? (args[value + 1] ?? '') : undefined,
      member: '',
      score: '',
      previous: '',
      besides: undefined,
      permits: '',
    };
  });
  return { requests, keyCount: count * (width + 1), argumentCount: RUN_LENGTH + count * width };
}
