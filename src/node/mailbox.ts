import type { Clock, Timer } from '../base/clock.ts';
import { messageOf } from '../base/describe.ts';
import type { Reply } from '../base/vote.ts';
import type { Client } from '../wire/client.ts';
import { decode, encode, failed, keysOf, type Operation } from '../wire/operation.ts';
import { isUnknownScript } from '../wire/run.ts';
import { batchScript } from '../wire/scripts.ts';
import type { TimeReading } from './node-time.ts';

/** Hears the one reply to an operation, and how many milliseconds it took. */
export type ReplyListener = (reply: Reply, latencyMs: number) => void;

/** What every call carries beside its operations; asked for when the call is sent. */
export interface BatchHeader {
  /** The node's marker key, or undefined where the node votes without one. */
  readonly markerKey: string | undefined;
  readonly nodeCount: number;
  readonly maxTtl: number;
  readonly clampUs: number;
  readonly fenceRetentionMs: number;
  /** Milliseconds that a free key is kept for a waiter who has been called. */
  readonly graceMs: number;
  /** Whether a waiter of this process would hear the node's calls. */
  isHeard(): boolean;
  /** The node's TIME, in microseconds, after which nothing of the call may be granted. */
  deadlineUs(nowMs: number, withinMs: number): number;
}

/** Hears of every answer of the server, those included that come too late to be a reply. */
export interface AnswerListener {
  /** The server answered a call. */
  answered(reading: TimeReading): void;
  /** The server answered this operation. Returns the reply as it counts. */
  done(operation: Operation, reply: Reply): Reply;
  /** The server did not do this operation, as far as is known, and it is not on its way any more. */
  undone(operation: Operation): void;
  /** Operations had no answer in time. */
  timedOut(): void;
  /** Whether an operation that the server did not do is still worth asking for. */
  isWanted(operation: Operation): boolean;
}

/** Operations in one script call: bounds how long a call keeps the server from serving others. */
const MOST_OPERATIONS_A_CALL = 64;

/** Operations one node may be asked for and not have answered. What comes on top fails at once. */
const MOST_UNANSWERED = 4_096;

interface Entry {
  readonly batch: Batch;
  readonly operation: Operation;
  readonly listener: ReplyListener;
  replied: boolean;
}

/** The operations of one tick, with one timer for all of them. */
interface Batch {
  readonly entries: Entry[];
  readonly openedAtMs: number;
  readonly timeoutMs: number;
  readonly timer: Timer;
  isSent: boolean;
  unreplied: number;
}

/**
 * The way to one node. What is posted in one tick travels as one script call, in the order it was posted.
 *
 * A batch is *open* while it collects, *held* while there is no connection, then *sent*, and over when every
 * entry has its reply: the server's, or a failure once `timeoutMs` has passed since it was opened. An answer
 * that comes later is reported to the {@link AnswerListener} and is no reply.
 */
export class Mailbox {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #header: BatchHeader;
  readonly #answers: AnswerListener;
  #open: Batch | undefined;
  #held: Set<Batch> | undefined = new Set();
  #unanswered = 0;

  constructor(client: Client, clock: Clock, header: BatchHeader, answers: AnswerListener) {
    this.#client = client;
    this.#clock = clock;
    this.#header = header;
    this.#answers = answers;
  }

  /** Has the node do an operation. `listener` hears its reply, once, after this call has returned. */
  post(operation: Operation, timeoutMs: number, listener: ReplyListener): void {
    const batch = this.#batchFor(timeoutMs);
    batch.entries.push({ batch, operation, listener, replied: false });
    batch.unreplied += 1;
  }

  /** Sends what is held, and everything that is posted from now on, at once. */
  send(): void {
    const held = this.#held ?? new Set();
    this.#held = undefined;
    for (const batch of held) this.#sendBatch(batch);
  }

  /** Holds back what is posted from now on, until {@link send}, {@link fail} or its own timer. */
  hold(): void {
    this.#held ??= new Set();
  }

  /** Gives everything that is held this reply, and holds what is posted from now on. */
  fail(reply: Reply): void {
    const held = this.#held ?? new Set();
    this.#held = new Set();
    for (const batch of held) this.#giveUp(batch, reply);
  }

  #batchFor(timeoutMs: number): Batch {
    const open = this.#open;
    if (open?.timeoutMs === timeoutMs && open.entries.length < MOST_OPERATIONS_A_CALL) return open;
    const batch: Batch = {
      entries: [],
      openedAtMs: this.#clock.uptime(),
      timeoutMs,
      timer: this.#clock.after(timeoutMs, () => this.#timeOut(batch)),
      isSent: false,
      unreplied: 0,
    };
    this.#open = batch;
    queueMicrotask(() => this.#close(batch));
    return batch;
  }

  #close(batch: Batch): void {
    if (this.#open === batch) this.#open = undefined;
    if (this.#held === undefined) this.#sendBatch(batch);
    else if (batch.unreplied > 0) this.#held.add(batch);
  }

  #sendBatch(batch: Batch): void {
    batch.isSent = true;
    const slots = new Map<number, Entry[]>();
    for (const entry of batch.entries) {
      if (this.#unanswered >= MOST_UNANSWERED) {
        this.#answers.undone(entry.operation);
        this.#settle(entry, failed('overloaded', `${this.#unanswered} operations wait for an answer`));
        continue;
      }
      this.#unanswered += 1;
      const slot = this.#client.slotOf(entry.operation.keys[0] ?? '');
      const entries = slots.get(slot);
      if (entries === undefined) slots.set(slot, [entry]);
      else entries.push(entry);
    }
    for (const entries of slots.values()) void this.#ask(batch, entries);
  }

  async #ask(batch: Batch, entries: readonly Entry[]): Promise<void> {
    try {
      await this.#call(batch, entries, 'evalsha');
    } catch (error) {
      if (isUnknownScript(error)) await this.#askBySource(batch, entries, error);
      else this.#rejectAll(entries, error);
    } finally {
      this.#unanswered -= entries.length;
    }
  }

  /** The server had lost the script and did nothing. What is no longer wanted by now must not run any more. */
  async #askBySource(batch: Batch, entries: readonly Entry[], unknownScript: unknown): Promise<void> {
    const wanted = entries.filter((entry) => !entry.replied && this.#answers.isWanted(entry.operation));
    this.#rejectAll(
      entries.filter((entry) => !wanted.includes(entry)),
      unknownScript,
    );
    if (wanted.length === 0) return;
    try {
      await this.#call(batch, wanted, 'eval');
    } catch (error) {
      this.#rejectAll(wanted, error);
    }
  }

  async #call(batch: Batch, entries: readonly Entry[], command: 'evalsha' | 'eval'): Promise<void> {
    const { markerKey, nodeCount, maxTtl, clampUs, fenceRetentionMs, graceMs } = this.#header;
    const isHeard = this.#header.isHeard();
    const sentAtMs = this.#clock.uptime();
    const remainingMs = batch.openedAtMs + batch.timeoutMs - sentAtMs;
    const keys = markerKey === undefined ? [] : [markerKey];
    const args: (string | number)[] = [
      this.#header.deadlineUs(sentAtMs, remainingMs),
      markerKey === undefined ? '' : nodeCount,
      maxTtl,
      clampUs,
      fenceRetentionMs,
      graceMs,
    ];
    for (const { operation } of entries) {
      keys.push(...keysOf(operation));
      args.push(...encode(operation, isHeard));
    }
    const answer =
      command === 'evalsha'
        ? await this.#client.evalsha(batchScript.sha1, keys, args)
        : await this.#client.eval(batchScript.source, keys, args);
    const [time, ...replies] = Array.isArray(answer) ? (answer as readonly unknown[]) : [];
    this.#answers.answered({ timeUs: Number(time), sentAtMs, receivedAtMs: this.#clock.uptime() });
    entries.forEach((entry, index) => {
      this.#settle(entry, this.#answers.done(entry.operation, decode(replies[index])));
    });
  }

  #timeOut(batch: Batch): void {
    this.#answers.timedOut();
    const reply = failed('timeout', `no answer within ${batch.timeoutMs} ms`);
    if (batch.isSent) {
      this.#settleAll(batch, reply);
    } else {
      this.#held?.delete(batch);
      this.#giveUp(batch, reply);
    }
  }

  #rejectAll(entries: readonly Entry[], error: unknown): void {
    const message = messageOf(error);
    const reason = this.#client.state === 'ready' ? 'error' : 'disconnected';
    for (const entry of entries) {
      this.#answers.undone(entry.operation);
      this.#settle(entry, failed(reason, message));
    }
  }

  /** A batch that was never sent is not sent any more. */
  #giveUp(batch: Batch, reply: Reply): void {
    for (const { operation } of batch.entries) this.#answers.undone(operation);
    this.#settleAll(batch, reply);
  }

  #settleAll(batch: Batch, reply: Reply): void {
    for (const entry of batch.entries) this.#settle(entry, reply);
  }

  #settle(entry: Entry, reply: Reply): void {
    if (entry.replied) return;
    entry.replied = true;
    const { batch } = entry;
    batch.unreplied -= 1;
    if (batch.unreplied === 0) batch.timer.cancel();
    entry.listener(reply, this.#clock.uptime() - batch.openedAtMs);
  }
}
