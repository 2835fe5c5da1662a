import type { Argument } from './key-store.ts';

/** Arguments of a batch before those of its operations, of an operation, and of CONTEND; see `wire/lua/batch.lua`. */
const HEADER_LENGTH = 6;
const OPERATION_LENGTH = 5;
const CONTEND_LENGTH = 8;

/** The operations that have nothing to do with waiting. */
const WITHOUT_QUEUES: ReadonlySet<string> = new Set(['confirm', 'extend', 'inspect']);

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
  /** For ENTER, the score. */
  readonly ttl: Argument;
  /** Undefined if it is plain. */
  readonly number: number | undefined;
  /** Of CONTEND: who waits if it is refused, since when, and the lock value it takes over; each empty if there is none. */
  readonly member: string;
  readonly score: Argument;
  readonly previous: string;
}

/** The operations of a call of the batch script. */
export function requestsOf(keys: readonly string[], args: readonly Argument[]): readonly Request[] {
  const requests: Request[] = [];
  let key = args[1] === '' ? 0 : 1;
  let at = HEADER_LENGTH;
  while (at < args.length) {
    const name = String(args[at] ?? '');
    const count = Number(args[at + 1]);
    const number = args[at + 4] ?? '';
    const fences = number === '' ? 0 : count;
    const queues = WITHOUT_QUEUES.has(name) ? 0 : count;
    const isContend = name === 'contend';
    requests.push({
      name,
      keys: keys.slice(key, key + count),
      fences: fences === 0 ? NONE : keys.slice(key + count, key + count + fences),
      queues: queues === 0 ? NONE : keys.slice(key + count + fences, key + count + fences + queues),
      value: String(args[at + 2] ?? ''),
      ttl: args[at + 3] ?? '',
      number: number === '' ? undefined : Number(number),
      member: isContend ? String(args[at + 5] ?? '') : '',
      score: isContend ? (args[at + 6] ?? '') : '',
      previous: isContend ? String(args[at + 7] ?? '') : '',
    });
    key += count + fences + queues;
    at += isContend ? CONTEND_LENGTH : OPERATION_LENGTH;
  }
  return requests;
}
