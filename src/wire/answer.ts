import type { Reply } from '../base/vote.ts';
import { isCount, isTimeUs, MalformedAnswerError } from './numbers.ts';
import { failed, type Operation, type Waiter } from './operation.ts';

/*
 * The library makes use of a server's answer only when all of it is in its script's form. Something else may answer
 * in the server's place: a proxy, a transaction, a driver's transformer. A malformed number would spoil tokens and
 * clocks for good.
 */

/**
 * Checks the whole answer to a call of the batch script, see `lua/batch.lua`.
 *
 * @param pending the operations of the call, in the order in which they were sent
 * @param isTimed whether the server was to tell its TIME
 * @returns its elements: the TIME, or 0, and then one for each operation
 * @throws {MalformedAnswerError} it is not in the script's form
 */
export function checkAnswer(
  answer: unknown,
  pending: readonly { readonly operation: Operation }[],
  isTimed: boolean,
): readonly unknown[] {
  if (!Array.isArray(answer) || answer.length !== pending.length + 1) throw new MalformedAnswerError(answer);
  const elements: readonly unknown[] = answer;
  if (isTimed ? !isTimeUs(elements[0]) : elements[0] !== 0) throw new MalformedAnswerError(answer);
  let place = 0;
  for (const { operation } of pending) {
    place += 1;
    if (!isReplyTo(operation, elements[place])) throw new MalformedAnswerError(elements[place]);
  }
  return elements;
}

/** Whether an element is a possible reply to the operation; `lua/prelude.lua` names the codes. */
function isReplyTo(operation: Operation, element: unknown): boolean {
  const { kind } = operation;
  if (typeof element === 'number')
    return (kind === 'acquire' || kind === 'release') && isGranted(operation, element);
  if (!Array.isArray(element)) return false;
  const [code, first, second, third]: readonly unknown[] = element;
  const { length } = element;
  switch (code) {
    case 1:
      return (
        kind !== 'inspect' &&
        kind !== 'waiting' &&
        isGranted(operation, first) &&
        (length === 2 ||
          (length === 3 && kind === 'release' && second === 1) ||
          (length === 4 && kind === 'acquire' && second === 0 && isCount(third, 1)))
      );
    case 2:
      if (kind === 'inspect')
        return length === 4 && isCount(first) && typeof second === 'string' && isCount(third);
      if (kind === 'acquire' && operation.permit !== undefined)
        return isRefusal(element) && length === 5 && isCount(third) && isListOfCounts(element[4]);
      return isRefusal(element) && (length === 3 || (kind === 'acquire' && isQueued(element)));
    case 10:
      return kind === 'acquire' && isRefusal(element) && (length === 3 || isQueued(element));
    case 3:
      if (kind === 'inspect') return length === 2 && isCount(first);
      return length === 1 || (length === 3 && kind === 'release' && first === 0 && second === 1);
    case 4:
    case 8:
      return length === 2 && typeof first === 'string';
    case 5:
      return length === 2 && isCount(first, 1);
    case 6:
    case 7:
      return length === 1;
    case 9:
      return (
        kind === 'waiting' &&
        length % 2 === 1 &&
        element.every((field, at) => at === 0 || typeof field === 'string')
      );
    default:
      return false;
  }
}

function isListOfCounts(text: unknown): boolean {
  return typeof text === 'string' && /^(\d+(,\d+)*)?$/.test(text);
}

/** Whether it begins with for how long the key is held, and who holds it. */
function isRefusal([, remaining, holder]: readonly unknown[]): boolean {
  return isCount(remaining) && typeof holder === 'string';
}

/** Whether a refusal says where the waiter is: its rank, in how many queues, and perhaps when to ask again. */
function isQueued(refusal: readonly unknown[]): boolean {
  const { length } = refusal;
  return (length === 5 || length === 6) && refusal.slice(3).every((field) => isCount(field));
}

/** Whether a number is a possible grant: a token where there is one. */
function isGranted(operation: Operation, counter: unknown): boolean {
  const { kind, fences } = operation;
  const hasToken = kind === 'confirm' || ((kind === 'acquire' || kind === 'extend') && fences.length > 0);
  return isCount(counter, hasToken || kind === 'release' ? 1 : 0);
}

type Held = Extract<Reply, { outcome: 'held' }>;

function heldIn([, remaining, owner, first, second, again]: readonly unknown[]): Held {
  const remainingTtl = Number(remaining);
  // Only INSPECT answers with as many fields, and with the value itself.
  if (first !== undefined && second === undefined)
    return { outcome: 'held', remainingTtl, value: String(owner), counter: Number(first) };
  const held: Held = { outcome: 'held', remainingTtl, ...holderIn(String(owner)) };
  if (first === undefined) return held;
  if (typeof second === 'string') return { ...held, rank: Number(first), open: numbersIn(second) };
  const queued = { ...held, rank: Number(first), queues: Number(second) };
  return again === undefined ? queued : { ...queued, againMs: Number(again) };
}

/** Who holds a key: sharers, or the owner that its value names, if it names one. */
function holderIn(holder: string): Pick<Held, 'holder' | 'isShared'> {
  if (holder === '') return {};
  return holder === '&' ? { isShared: true } : { holder };
}

/** The table that turns the script's answers into replies; `lua/prelude.lua` names the codes. */
const decoders: Readonly<Record<number, (fields: readonly unknown[]) => Reply>> = {
  1: ([, counter, notified, others]) => {
    const granted = { outcome: 'granted', counter: Number(counter) } as const;
    if (others !== undefined) return { ...granted, others: Number(others) };
    return notified === undefined ? granted : { ...granted, notified: true };
  },
  2: heldIn,
  3: ([, counter, notified]) => {
    if (counter === undefined) return { outcome: 'missing' };
    if (notified === undefined) return { outcome: 'missing', counter: Number(counter) };
    return { outcome: 'missing', notified: true };
  },
  4: ([, type]) => ({ outcome: 'foreign', type: String(type) }),
  5: ([, counter]) => ({ outcome: 'superseded', counter: Number(counter) }),
  6: () => failed('late', 'the operation arrived after its deadline'),
  7: () => failed('quarantined', 'the node may not vote: its marker is missing, not active, or another one'),
  8: ([, message]) => failed('error', String(message)),
  10: (fields) => ({ ...heldIn(fields), isBehindWriter: true }),
  9: ([, ...pairs]) => ({ outcome: 'granted', counter: pairs.length / 2, waiters: waitersIn(pairs) }),
};

/** A member whose score is not a time was entered by something else. */
function waitersIn(pairs: readonly unknown[]): readonly Waiter[] {
  const waiters: Waiter[] = [];
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    const since = Number(pairs[at + 1]);
    if (isCount(since)) waiters.push({ member: String(pairs[at]), since });
  }
  return waiters;
}

function numbersIn(list: string): readonly number[] {
  return list === '' ? [] : list.split(',').map(Number);
}

/** The reply to most releases. */
const DONE: Reply = { outcome: 'granted', counter: 1 };

/** Turns one checked element of the script's answer into a reply. A number alone is the counter of a grant. */
export function decode(answer: unknown): Reply {
  if (answer === 1) return DONE;
  if (typeof answer === 'number') return { outcome: 'granted', counter: answer };
  const decoder = Array.isArray(answer) ? decoders[Number(answer[0])] : undefined;
  if (decoder === undefined) throw new MalformedAnswerError(answer);
  return decoder(answer as readonly unknown[]);
}
