import { expect } from 'vitest';
import {
  fenceKeyOf,
  queueKeyOf,
  semaphoreKeyOf,
  sharersKeyOf,
  slotKeyOf,
} from '../../../src/quorum/fencing-token.ts';
import { encodeAll, inSendingOrder, quorumText } from '../../../src/wire/batch.ts';
import { type LockKeys, type Operation, UNTIMED } from '../../../src/wire/operation.ts';
import { batchScript, markerScript } from '../../../src/wire/scripts.ts';
import type { Answer, Command } from '../../conformance/subject.ts';

/** A server, real or simulated, whose time passes only when it is told so. */
export interface Subject {
  readonly runId: string;
  readonly timeUs: number;
  run(passMs: number, commands: readonly Command[]): Promise<readonly Answer[]>;
}

/** Replies of the scripts, as protocol and code name them. */
export const GRANTED = 1;
export const HELD = 2;
export const MISSING = 3;
export const FOREIGN = 4;
export const SUPERSEDED = 5;
export const LATE = 6;
export const QUARANTINED = 7;
export const FAILED = 8;
export const BEHIND = 10;

/** How many tokens an acquire of these rules takes: any block obeys them, whatever a lease of the library has. */
export const BLOCK = 8;

/** β, in microseconds. */
export const CLAMP_US = 1_000_000;

/** What every call carries beside its operations. */
interface Header {
  /** How many microseconds are left until the call is too late. */
  readonly deadlineUs?: number;
  /** How many nodes the caller's quorum has; undefined: it asks for no marker. */
  readonly nodeCount?: number;
  readonly maxTtl?: number;
  readonly retention?: number;
  readonly grace?: number;
}

export const MARKER_KEY = 'quorlock:node';
const RETENTION_MS = 3_600_000;

/** One node and what the library asks it, answered as text and numbers, to be compared with what the protocol says. */
export class RuleNode {
  readonly #subject: Subject;

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  get runId(): string {
    return this.#subject.runId;
  }

  get timeUs(): number {
    return this.#subject.timeUs;
  }

  get timeMs(): number {
    return Math.floor(this.timeUs / 1_000);
  }

  /** Without keys and listeners, and with the scripts. */
  async reset(): Promise<void> {
    await this.#run(['FLUSHALL']);
    await this.#run(['UNSUBSCRIBE']);
    for (const { source } of [batchScript, markerScript]) await this.#run(['SCRIPT', 'LOAD', source]);
  }

  async pass(ms: number): Promise<void> {
    await this.#subject.run(ms, []);
  }

  /** Operations of one call, in this order. Returns their replies. */
  async ask(operations: readonly Operation[], header: Header = {}): Promise<readonly unknown[]> {
    const { deadlineUs = 50_000, nodeCount, maxTtl = 30_000, retention = RETENTION_MS, grace = 100 } = header;
    // As the library does it: what does not depend on the time needs neither.
    const timed = operations.some(({ kind }) => !UNTIMED.has(kind));
    const marker = timed && nodeCount !== undefined ? [MARKER_KEY] : [];
    const terms = {
      nodeCount,
      maxTtl,
      clampUs: CLAMP_US,
      fenceRetentionMs: retention,
      graceMs: grace,
      block: BLOCK,
    };
    const deadline = timed ? this.timeUs + deadlineUs : '';
    const start = { keys: marker, args: [quorumText(terms), deadline] };
    const carriers = operations.map((operation) => ({ operation }));
    const { keys, args } = encodeAll(inSendingOrder(carriers), true, start);
    const reply = await this.#run([
      'EVALSHA',
      batchScript.sha1,
      String(keys.length),
      ...keys,
      ...args.map(String),
    ]);
    if (!Array.isArray(reply)) throw new Error(`no list of replies: ${String(reply)}`);
    return reply.slice(1);
  }

  /** One operation. In a run, what is granted is answered by its counter alone. */
  async askOne(operation: Operation, header?: Header): Promise<readonly unknown[]> {
    const [reply] = await this.ask([operation], header);
    return Array.isArray(reply) ? reply : [GRANTED, reply];
  }

  /** Writes `marker` if the node is as it was seen. Returns whether it was written. */
  async mark(
    marker: string,
    seen: { runId?: string; marker?: string; deadlineUs?: number } = {},
  ): Promise<boolean> {
    const { runId = this.runId, marker: before = '', deadlineUs = 50_000 } = seen;
    const args = [marker, runId, before, String(this.timeUs + deadlineUs)];
    const reply = await this.#run(['EVALSHA', markerScript.sha1, '1', MARKER_KEY, ...args]);
    if (!Array.isArray(reply)) throw new Error(`no list of what the server is: ${String(reply)}`);
    return reply[4] === 1;
  }

  async get(key: string): Promise<unknown> {
    return await this.#run(['GET', key]);
  }

  /** Milliseconds left; negative: there is no such key. */
  async left(key: string): Promise<number> {
    return Number(await this.#run(['PTTL', key]));
  }

  /** Of a sorted set, each followed by its score. */
  async members(key: string): Promise<unknown> {
    return await this.#run(['ZRANGE', key, '0', '-1', 'WITHSCORES']);
  }

  async set(key: string, value: string | number, ttl = 3_600_000): Promise<void> {
    await this.#run(['SET', key, String(value), 'PX', String(ttl)]);
  }

  async putScore(key: string, member: string, score: number): Promise<void> {
    await this.#run(['ZADD', key, String(score), member]);
  }

  /** Without expiry, as no lock is. */
  async setForEver(key: string): Promise<void> {
    await this.#run(['SET', key, 'for ever']);
  }

  /** As something that no counter is. */
  async setList(key: string): Promise<void> {
    await this.#run(['LPUSH', key, 'element']);
  }

  /** From now on the notifications for this process's waiters are heard. */
  async listen(process: string): Promise<void> {
    await this.#run(['SUBSCRIBE', `quorlock:wake:${process}`]);
  }

  /** The waiters that were notified and heard it, in this order. */
  async notified(): Promise<readonly string[]> {
    const messages = (await this.#run(['MESSAGES'])) as readonly (readonly [string, string])[];
    return messages.map(([channel, waiter]) => `${channel.split(':').at(-1)}.${waiter}`);
  }

  async delete(key: string): Promise<void> {
    await this.#run(['DEL', key]);
  }

  async #run(command: Command): Promise<unknown> {
    const [answer] = await this.#subject.run(0, [command]);
    if (answer === undefined || 'error' in answer) throw new Error(`${command[0]}: ${answer?.error}`);
    return answer.reply;
  }

  /** All keys of a lock have this owner, and this counter if it is given. */
  async expectHeld({ keys, fences }: LockKeys, value: string, counter?: number): Promise<void> {
    for (const key of keys) expect(await this.get(key), key).toBe(value);
    if (counter === undefined) return;
    for (const fence of fences) expect(await this.get(fence), fence).toBe(String(counter));
  }
}

/** The keys of locks of every kind. */
export const ONE = keysFor(['lock:a']);
export const OTHER = keysFor(['lock:b']);
export const SEVERAL = keysFor(['lock:a', 'lock:b']);
export const SHARED: LockKeys = { ...ONE, sharers: sharersKeyOf('lock:a') };
export const SLOT: LockKeys = {
  ...keysFor([slotKeyOf('lock:s', 0)]),
  queues: [queueKeyOf(semaphoreKeyOf('lock:s'))],
  permit: { slot: 0, of: 3 },
};

function keysFor(keys: readonly string[]): LockKeys {
  return { keys, fences: keys.map(fenceKeyOf), queues: keys.map(queueKeyOf) };
}

export const unfenced = (keys: LockKeys): LockKeys => ({ ...keys, fences: [] });

export const acquire = (keys: LockKeys, value: string, proposal: number, ttl = 10_000): Operation => ({
  kind: 'acquire',
  ...keys,
  value,
  ttl,
  proposal,
});
export const contend = (keys: LockKeys, value: string, proposal: number, ttl = 10_000): Operation => ({
  ...{ kind: 'acquire', ...keys, value, ttl, proposal },
  waiter: { member: 'p.1', since: 1 },
});
export const confirm = (keys: LockKeys, value: string, token: number): Operation => ({
  kind: 'confirm',
  ...keys,
  value,
  token,
});
export const extend = (keys: LockKeys, value: string, token: number, ttl = 10_000): Operation => ({
  kind: 'extend',
  ...keys,
  value,
  token,
  ttl,
});
export const adopt = (
  keys: LockKeys,
  previous: string,
  value: string,
  token: number,
  ttl = 10_000,
): Operation => ({ ...{ kind: 'extend', ...keys, value, token, ttl }, previous });
export const release = (keys: LockKeys, value: string): Operation => ({ kind: 'release', ...keys, value });
