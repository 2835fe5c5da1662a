import type { FailureReason, Reply } from '../base/vote.ts';

/** The keys of one lock on a node. */
export interface LockKeys {
  readonly keys: readonly string[];
  /** The fence counters that belong to `keys`, in the same order; empty for a lock without fencing. */
  readonly fences: readonly string[];
}

interface Acquire extends LockKeys {
  readonly kind: 'acquire';
  readonly value: string;
  readonly ttl: number;
  /** The proposed token, microseconds. */
  readonly proposal: number;
}

interface Confirm extends LockKeys {
  readonly kind: 'confirm';
  readonly value: string;
  readonly token: number;
}

interface Extend extends LockKeys {
  readonly kind: 'extend';
  readonly value: string;
  readonly ttl: number;
  readonly token: number;
}

interface Release {
  readonly kind: 'release';
  readonly keys: readonly string[];
  readonly value: string;
}

interface Inspect extends LockKeys {
  readonly kind: 'inspect';
}

/** What a quorum asks of one node. */
export type Operation = Acquire | Confirm | Extend | Release | Inspect;

export function failed(reason: FailureReason, message: string): Reply {
  return { outcome: 'failed', reason, message };
}

/** All keys an operation touches, in the order the script reads them. */
export function keysOf(operation: Operation): readonly string[] {
  return 'fences' in operation && operation.fences.length > 0
    ? [...operation.keys, ...operation.fences]
    : operation.keys;
}

/** The five arguments of one operation, see `lua/batch.lua`. */
export function encode(operation: Operation): readonly (string | number)[] {
  const { kind, keys } = operation;
  switch (kind) {
    case 'acquire':
      return [kind, keys.length, operation.value, operation.ttl, ifFenced(operation, operation.proposal)];
    case 'extend':
      return [kind, keys.length, operation.value, operation.ttl, ifFenced(operation, operation.token)];
    case 'confirm':
      return [kind, keys.length, operation.value, 0, operation.token];
    case 'release':
      return [kind, keys.length, operation.value, 0, ''];
    case 'inspect':
      return [kind, keys.length, '', 0, ifFenced(operation, 0)];
  }
}

function ifFenced(operation: LockKeys, number: number): number | '' {
  return operation.fences.length > 0 ? number : '';
}

/** The table that turns the script's answers into replies; `lua/prelude.lua` names the codes. */
const decoders: Readonly<Record<number, (fields: readonly unknown[]) => Reply>> = {
  1: ([, counter]) => ({ outcome: 'granted', counter: Number(counter) }),
  2: ([, remaining, value, counter]) =>
    value === undefined
      ? { outcome: 'held', remainingTtl: Number(remaining) }
      : {
          outcome: 'held',
          remainingTtl: Number(remaining),
          value: String(value),
          counter: Number(counter),
        },
  3: ([, counter]) =>
    counter === undefined ? { outcome: 'missing' } : { outcome: 'missing', counter: Number(counter) },
  4: ([, type]) => ({ outcome: 'foreign', type: String(type) }),
  5: ([, counter]) => ({ outcome: 'superseded', counter: Number(counter) }),
  6: () => failed('late', 'the operation arrived after its deadline'),
  7: () => failed('quarantined', 'the node may not vote: its marker is missing, not active, or another one'),
  8: ([, message]) => failed('error', String(message)),
};

/** Turns one element of the script's answer into a reply. Anything unexpected is a failed vote, not a throw. */
export function decode(answer: unknown): Reply {
  const decoder = Array.isArray(answer) ? decoders[Number(answer[0])] : undefined;
  return decoder === undefined
    ? failed('error', `an answer that is none of the script's: ${JSON.stringify(answer)}`)
    : decoder(answer as readonly unknown[]);
}
