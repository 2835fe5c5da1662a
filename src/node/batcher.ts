/*
 * Each lock costs a script call to each node, and a call costs a server far more than what it does. The naive answer
 * is to send each operation at once. With a thousand callers the servers then spend their time on calls. To collect
 * operations for a fixed time is no better: a caller alone waits for nothing. So operations that come while a call is
 * under way travel together as the next one.
 */

import type { Clock, Timer } from '../base/clock.ts';
import { messageOf } from '../base/describe.ts';
import { platform } from '../base/platform.ts';
import { instant } from '../base/sound-clock.ts';
import type { Reply } from '../base/vote.ts';
import { encodeAll, inSendingOrder } from '../wire/batch.ts';
import type { Client } from '../wire/client.ts';
import {
  badNumberIn,
  checkNumbers,
  failed,
  isCount,
  isTaking,
  type Operation,
  readAnswer,
  UNTIMED,
  weightOf,
} from '../wire/operation.ts';
import { isUnknownScript } from '../wire/run.ts';
import { batchScript } from '../wire/scripts.ts';
import { explain } from '../wire/server-errors.ts';
import type { TimeReading } from './node-time.ts';
import { ResponseTime, SHORTEST_TIMEOUT_MS } from './node-time.ts';
import type { Setback } from './release-retries.ts';

/** Learns of every answer of the server, also of those that come too late to be a reply. */
export interface AnswerListener {
  /**
   * The server answered a call. `reading` is its time, if the call asked for it. `jumpedMs` is how far this host's
   * uptime is ahead of its monotonic clock.
   */
  answered(reading: TimeReading | undefined, jumpedMs: number): void;
  /** The server answered this operation. Returns the reply as it counts. */
  done(operation: Operation, reply: Reply): Reply;
  /** The server did not do this operation, as far as is known, and the operation is not on its way any more. */
  undone(operation: Operation, setback: Setback): void;
  /** The server answered a whole call with an error, and did nothing of it. */
  refused(error: string): void;
  /** Operations had no answer in time. */
  timedOut(): void;
  /** Several answers in a row came later than the `timeoutMs` that the node had. */
  tooSlow(roundTripMs: number, timeoutMs: number): void;
  /** After {@link tooSlow}, an answer came in time. */
  inTime(): void;
}

/** Operations in one script call: bounds how long a call keeps the server from serving others. */
const MOST_OPERATIONS_A_CALL = 128;

/** Calls that may be in flight to one node at a time; what is enqueued meanwhile travels with the next one. */
const MOST_CALLS = 2;

/**
 * The most that one node may have without an answer, by {@link weightOf}; any other operation fails at once. A round
 * ends with its majority. So a node that is slower than the others, or begins to hang, has more to do than the rounds
 * that run.
 */
const MOST_UNANSWERED = 4_096;

/** From enqueueing to the end of the tick it takes less than that, in milliseconds, unless the process stalls. */
const LONGEST_TICK_MS = 2;

/** The number of answers in a row that come too late and are no accident. */
const MOST_TOO_LATE = 5;

/** A node that left a call unanswered is asked again after so long, then after twice as long, … */
const SHORTEST_PROBE_PAUSE_MS = 25;

/** … and at the latest after so long. */
const LONGEST_PROBE_PAUSE_MS = 500;

/** A promise whose callbacks run once the present code has ended. */
const SOON = Promise.resolve();

/**
 * The way to one node, by group commit. Operations that are enqueued while a call is in flight travel together as the
 * next call, in their order. Calls so grow with the load; alone, an operation is sent at the end of the tick.
 *
 * An operation is *queued* while a call is in flight or there is no connection, and then *sent*. It is over when it
 * has its reply: the server's, or a failure once its time has passed, see {@link ResponseTime}. A later answer goes
 * to the {@link AnswerListener} and is no reply. While a node leaves a call unanswered for longer than that, the
 * batcher asks it only now and then. All other operations fail at once, so that nothing piles up.
 */
export class Batcher {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #header: BatchHeader;
  readonly #answers: AnswerListener;
  readonly #ticks: Ticks;
  readonly #mostCalls: number;
  /** How long the node takes to answer. */
  readonly time: ResponseTime;
  /** Whether a call was answered on this connection: until then the server may not know the script. */
  #hasScript = false;
  /** How many answers in a row came too late. */
  #tooLate = 0;
  #queue: PendingOperation[] = [];
  #isHeld = true;
  /** The present tick, if an operation was enqueued in it. */
  #tick: Tick | undefined;
  /** One timer for all deadlines: most operations are answered long before theirs, and then it is not set anew. */
  #timer: Timer | undefined;
  #wakesAtMs = Number.POSITIVE_INFINITY;
  readonly #wake = () => this.#timeOut();
  /** The timer came too late, and is set once more. */
  #looksAgain = false;
  #calls = 0;
  /** A list: a set that is filled and emptied all the time leaves tables behind that outlive many collections. */
  readonly #sent: Call[] = [];
  readonly #overdue = new Set<Call>();
  /** The weight of what is enqueued, and neither answered nor given up. */
  #unanswered = 0;
  /** Tells the one that awaits {@link drained} that calls or the queue may have changed. */
  #moved: (() => void) | undefined;
  #probePauseMs = SHORTEST_PROBE_PAUSE_MS;
  #probeAtMs = Number.NEGATIVE_INFINITY;

  /**
   * @param leastTimeoutMs how long the node has to answer at least
   * @param ticks of all nodes of the quorum
   */
  constructor(
    client: Client,
    clock: Clock,
    header: BatchHeader,
    answers: AnswerListener,
    leastTimeoutMs: number = SHORTEST_TIMEOUT_MS,
    ticks: Ticks = new Ticks(clock),
  ) {
    this.time = new ResponseTime(leastTimeoutMs);
    this.#client = client;
    this.#clock = clock;
    this.#header = header;
    this.#answers = answers;
    this.#ticks = ticks;
    // The servers of a Cluster answer independently of each other.
    this.#mostCalls = client.isCluster ? Number.POSITIVE_INFINITY : MOST_CALLS;
  }

  /** The weight of what the node may have in the background: half of all is for what a caller waits for. */
  get room(): number {
    return MOST_UNANSWERED / 2 - this.#unanswered;
  }

  /**
   * Has the node do an operation. `listener` gets its reply, once, after this call has returned. `nowMs`: the uptime, if
   * it is known.
   *
   * @param mostMs the longest time that the node may have to answer, however slow it has been
   */
  enqueue(operation: Operation, mostMs: number, listener: ReplyListener, place = 0, nowMs?: number): void {
    const bad = badNumberIn(operation);
    if (bad !== undefined) {
      this.#refuse(operation, failed('error', `not sent, for its ${bad}`), listener, place);
      return;
    }
    const weight = weightOf(operation);
    if (this.#unanswered + weight > MOST_UNANSWERED) {
      const reply = failed(
        'overloaded',
        `not asked: commands about ${this.#unanswered} keys are still without an answer`,
      );
      this.#refuse(operation, reply, listener, place);
      return;
    }
    let tick = this.#tick;
    if (tick === undefined) {
      tick = { atMs: nowMs ?? this.#clock.uptime(), shortestMs: Number.POSITIVE_INFINITY };
      this.#tick = tick;
      if (this.#ticks.batchers.push(this) === 1) void SOON.then(this.#ticks.end);
    }
    const { time } = this;
    const tripMs = this.#hasScript ? time.timeoutMs : time.firstTimeoutMs;
    const timeoutMs = Math.min(mostMs, tripMs + Math.floor((this.#unanswered + weight) * time.keyMs));
    if (timeoutMs < tick.shortestMs) tick.shortestMs = timeoutMs;
    this.#unanswered += weight;
    const entry = { operation, weight, timeoutMs, listener, place, tick, call: undefined, replied: false };
    // A list that grows by the first push makes room for many.
    if (this.#queue.length === 0) this.#queue = [entry];
    else this.#queue.push(entry);
  }

  #refuse(operation: Operation, reply: Reply, listener: ReplyListener, place: number): void {
    this.#answers.undone(operation, 'lost');
    platform.queueMicrotask(() => listener(reply, 0, place));
  }

  /** Sends what is held, and everything that is enqueued from now on, as soon as it may. */
  send(): void {
    this.#isHeld = false;
    this.#flush();
  }

  /** Holds back what is enqueued from now on, until {@link send}, {@link fail} or its own timer. */
  hold(): void {
    this.#isHeld = true;
    this.#hasScript = false;
  }

  /** Gives everything that is not sent yet this reply, and holds what is enqueued from now on. */
  fail(reply: Reply): void {
    this.#isHeld = true;
    this.#giveUp(this.#queue.splice(0), reply);
    this.#moved?.();
  }

  /** Resolves when every operation has its reply. */
  async drained(): Promise<void> {
    while (this.#queue.length > 0 || this.#calls > 0) {
      await new Promise<void>((resolve) => {
        this.#moved = resolve;
      });
    }
  }

  /** Gives everything that has no reply yet this one, and ends the timer. */
  close(reply: Reply): void {
    this.fail(reply);
    for (const { entries } of this.#sent) for (const entry of entries) this.#settle(entry, reply);
    this.#timer?.cancel();
    this.#tick = undefined;
  }

  /** The tick has ended: sends what was enqueued in it. */
  endTick(now: number): void {
    const tick = this.#tick;
    if (tick === undefined) return;
    this.#tick = undefined;
    // A node that has not been asked yet, because this process was stopped or busy, has all of its time.
    if (now - tick.atMs >= LONGEST_TICK_MS) tick.atMs = now;
    const dueAtMs = tick.atMs + tick.shortestMs;
    if (dueAtMs < this.#wakesAtMs) this.#wakeBy(dueAtMs, now);
    this.#flush(now);
  }

  #wakeBy(dueAtMs: number, nowMs: number): void {
    this.#timer?.cancel();
    this.#wakesAtMs = dueAtMs;
    // The connection keeps the process running.
    this.#timer = this.#clock.after(dueAtMs - nowMs, this.#wake, { keepAlive: false });
  }

  #flush(nowMs = this.#clock.uptime()): void {
    this.#moved?.();
    while (!this.#isHeld && this.#queue.length > 0) {
      const mayCall = this.#calls < this.#mostCalls;
      // Where the server leaves a call unanswered; other servers of a Cluster may still answer.
      const isStalled = this.#overdue.size > 0 && !this.#client.isCluster;
      if (isStalled && !(mayCall && this.#mayProbe())) {
        this.#giveUp(
          this.#queue.splice(0),
          failed('timeout', 'not asked: earlier commands are still without an answer'),
        );
        return;
      }
      if (!mayCall) return;
      let entries = this.#queue;
      if (entries.length > MOST_OPERATIONS_A_CALL) entries = entries.splice(0, MOST_OPERATIONS_A_CALL);
      else this.#queue = [];
      if (entries.length > 1 && this.#client.isCluster)
        for (const together of this.#bySlot(entries)) void this.#call(together, nowMs);
      else void this.#call(entries.length > 1 ? inSendingOrder(entries) : entries, nowMs);
    }
  }

  /** The keys of one call to a Cluster share their slot. */
  #bySlot(entries: readonly PendingOperation[]): Iterable<readonly PendingOperation[]> {
    const slots = new Map<number, PendingOperation[]>();
    for (const entry of inSendingOrder(entries)) {
      const slot = this.#client.slotOf(entry.operation.keys[0] ?? '');
      const together = slots.get(slot);
      if (together === undefined) slots.set(slot, [entry]);
      else together.push(entry);
    }
    return slots.values();
  }

  /** Whether to try a node that owes answers again. */
  #mayProbe(): boolean {
    const now = this.#clock.uptime();
    if (now < this.#probeAtMs) return false;
    this.#probeAtMs = now + this.#probePauseMs;
    this.#probePauseMs = Math.min(2 * this.#probePauseMs, LONGEST_PROBE_PAUSE_MS);
    return true;
  }

  /** A call was answered, or never will be. */
  #end(call: Call): void {
    if (call.state === 'over') return;
    if (call.state === 'under way') this.#calls -= 1;
    call.state = 'over';
    for (const { weight } of call.entries) this.#unanswered -= weight;
    this.#sent.splice(this.#sent.indexOf(call), 1);
    if (this.#overdue.size > 0) this.#overdue.delete(call);
    if (this.#overdue.size > 0) return;
    this.#probePauseMs = SHORTEST_PROBE_PAUSE_MS;
    this.#probeAtMs = Number.NEGATIVE_INFINITY;
  }

  /** The server had lost the script and did nothing. An operation that is no longer wanted must not run any more. */
  #askBySource(call: Call, unknownScript: unknown): void {
    const { entries } = call;
    const wanted = entries.filter(({ replied, operation }) => !replied && !this.#isBeingReleased(operation));
    this.#rejectAll(
      entries.filter((entry) => !wanted.includes(entry)),
      unknownScript,
    );
    if (wanted.length > 0) void this.#call(wanted, this.#clock.uptime(), call);
    else this.#goOn(call);
  }

  /** Whether the release of an operation's lock value is on its way. */
  #isBeingReleased(operation: Operation): boolean {
    if (!isTaking(operation)) return false;
    const isRelease = ({ operation: other }: PendingOperation) =>
      other.kind === 'release' && other.value === operation.value;
    return this.#queue.some(isRelease) || this.#sent.some(({ entries }) => entries.some(isRelease));
  }

  /**
   * Calls the batch script. No number of its header that is out of range is sent.
   *
   * @param before the call that the server did nothing of, because it had lost the script: that comes along now
   */
  async #call(entries: readonly PendingOperation[], sentAtMs: number, before?: Call): Promise<void> {
    const call: Call = before ?? { entries, unreplied: entries.length, state: 'under way' };
    let withinMs = 0;
    let asksTime = false;
    let hasWaiter = false;
    for (const entry of entries) {
      entry.call = call;
      withinMs = Math.max(withinMs, entry.tick.atMs + entry.timeoutMs - sentAtMs);
      asksTime ||= !UNTIMED.has(entry.operation.kind);
      hasWaiter ||= entry.operation.kind === 'acquire' && entry.operation.waiter !== undefined;
    }
    if (before === undefined) {
      this.#sent.push(call);
      this.#calls += 1;
    }
    try {
      const { markerKey, quorum } = this.#header;
      const deadline = asksTime ? this.#header.deadlineUs(sentAtMs, withinMs) : '';
      if (asksTime && !isCount(deadline)) checkNumbers([deadline]);
      const isHeard = hasWaiter && this.#header.isHeard();
      const header = {
        keys: asksTime && markerKey !== undefined ? [markerKey] : [],
        args: [quorum, deadline],
      };
      const { keys, args } = encodeAll(entries, isHeard, header);
      const answer =
        before === undefined
          ? await this.#client.evalsha(batchScript.sha1, keys, args)
          : await this.#client.eval(batchScript.source, keys, args);
      this.#answered(call, entries, answer, asksTime, sentAtMs);
    } catch (error) {
      if (before === undefined && isUnknownScript(error)) {
        this.time.note(entries.length, sentAtMs, this.#clock.uptime());
        // A node that is too slow has no operation left that would bring the script.
        if (call.state !== 'under way') this.#cameTooLate(entries);
        this.#answers.answered(undefined, 0);
        this.#askBySource(call, error);
        return;
      }
      this.#refuseAll(entries, error);
      this.#goOn(call);
    }
  }

  /** @param asksTime whether the server tells its time */
  #answered(
    call: Call,
    entries: readonly PendingOperation[],
    answer: unknown,
    asksTime: boolean,
    sentAtMs: number,
  ): void {
    const replies = readAnswer(answer, entries, asksTime);
    const [timeUs] = answer as readonly unknown[];
    const now = instant(this.#clock);
    const receivedAtMs = now.uptime;
    let keys = 0;
    for (const { weight } of entries) keys += weight;
    this.time.note(keys, sentAtMs, receivedAtMs);
    this.#hasScript = true;
    // One that was given up for lost was overdue, too.
    if (call.state !== 'under way') {
      this.#cameTooLate(entries);
    } else if (this.#tooLate > 0) {
      this.#tooLate = 0;
      this.#answers.inTime();
    }
    // Before any listener gets its reply: what listeners enqueue then is sent to a server that answers.
    this.#end(call);
    // Servers answer in order: what was overdue got lost, though the connection did not.
    if (!this.#client.isCluster) for (const lost of this.#overdue) this.#lose(lost);
    this.#answers.answered(
      asksTime ? { timeUs: Number(timeUs), sentAtMs, receivedAtMs } : undefined,
      receivedAtMs - now.monotonic,
    );
    let place = 0;
    for (const reply of replies) {
      const entry = entries[place];
      if (entry !== undefined) this.#settle(entry, this.#answers.done(entry.operation, reply), receivedAtMs);
      place += 1;
    }
    this.#flush(receivedAtMs);
  }

  #lose(call: Call): void {
    this.#end(call);
    for (const { operation } of call.entries) this.#answers.undone(operation, 'lost');
  }

  /** A node that was stopped again and again is not slow: its round trip is shorter than the time that it has. */
  #cameTooLate(entries: readonly PendingOperation[]): void {
    this.#tooLate += 1;
    if (this.#tooLate < MOST_TOO_LATE) return;
    const hadMs = Math.max(...entries.map(({ timeoutMs }) => timeoutMs));
    if (this.time.roundTripMs > hadMs) this.#answers.tooSlow(this.time.roundTripMs, hadMs);
  }

  #goOn(call: Call): void {
    this.#end(call);
    this.#flush();
  }

  /** Replies for what is due by now, and sees to the rest when that is. */
  #timeOut(): void {
    // The timer has come: sums of times are not exact, and a clock may stand still.
    const now = Math.max(this.#clock.uptime(), this.#wakesAtMs);
    const isLate = now - this.#wakesAtMs >= LONGEST_TICK_MS;
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
    // This process was stopped or busy. What nodes have answered meanwhile is read before the next timer.
    this.#looksAgain = isLate && !this.#looksAgain;
    if (this.#looksAgain) {
      this.#wakeBy(now + 1, now);
      return;
    }
    const late: PendingOperation[] = [];
    let nextAtMs = Number.POSITIVE_INFINITY;
    const look = (entry: PendingOperation) => {
      const dueAtMs = entry.tick.atMs + entry.timeoutMs;
      if (entry.replied) return;
      if (dueAtMs <= now) late.push(entry);
      else nextAtMs = Math.min(nextAtMs, dueAtMs);
    };
    this.#queue.forEach(look);
    for (const { entries } of this.#sent) entries.forEach(look);
    if (nextAtMs < Number.POSITIVE_INFINITY) this.#wakeBy(nextAtMs, now);
    if (late.length > 0) this.#giveLateUp(late);
  }

  #giveLateUp(late: readonly PendingOperation[]): void {
    const sent = late.filter(({ call }) => call !== undefined);
    // A node that answers, but has too much to do, is not silent.
    if (sent.length > 0 || this.#isHeld) this.#answers.timedOut();
    for (const entry of late) {
      const reply = failed('timeout', `no answer within ${Math.round(entry.timeoutMs)} ms`);
      if (entry.call === undefined) this.#giveUp([entry], reply);
      else this.#settle(entry, reply);
    }
    this.#queue = this.#queue.filter(({ replied }) => !replied);
    for (const { call } of sent) {
      if (call?.state !== 'under way' || call.unreplied > 0) continue;
      call.state = 'overdue';
      this.#calls -= 1;
      this.#overdue.add(call);
    }
    this.#flush();
  }

  #refuseAll(entries: readonly PendingOperation[], error: unknown): void {
    this.#rejectAll(entries, error);
    if (this.#client.state === 'ready') this.#answers.refused(messageOf(error));
  }

  #rejectAll(entries: readonly PendingOperation[], error: unknown): void {
    const isRefused = this.#client.state === 'ready';
    // The driver says only that it did not try a command again; the connection's own error says more.
    const reply = isRefused
      ? failed('error', explain(messageOf(error)))
      : failed('disconnected', `${this.#client.stateReason} before the answer came`);
    for (const entry of entries) {
      this.#answers.undone(entry.operation, isRefused ? 'refused' : 'lost');
      this.#settle(entry, reply);
    }
  }

  /** Operations that were not sent by now never are. */
  #giveUp(entries: readonly PendingOperation[], reply: Reply): void {
    for (const entry of entries) {
      this.#unanswered -= entry.weight;
      this.#answers.undone(entry.operation, 'lost');
      this.#settle(entry, reply);
    }
  }

  #settle(entry: PendingOperation, reply: Reply, atMs = this.#clock.uptime()): void {
    if (entry.replied) return;
    entry.replied = true;
    if (entry.call !== undefined) entry.call.unreplied -= 1;
    entry.listener(reply, atMs - entry.tick.atMs, entry.place);
  }
}

/** Gets the one reply to an operation, its latency in milliseconds, and the place that it was enqueued with. */
export type ReplyListener = (reply: Reply, latencyMs: number, place: number) => void;

/** An operation in the batcher. */
export interface PendingOperation {
  readonly operation: Operation;
  readonly weight: number;
  readonly listener: ReplyListener;
  /** For a listener of several nodes. */
  readonly place: number;
  readonly tick: Tick;
  /** Counted from the tick. */
  readonly timeoutMs: number;
  /** The call it travels in; undefined until it is sent. */
  call: Call | undefined;
  replied: boolean;
}

/** The operations that were enqueued before the code that did it has ended; they are sent then. */
interface Tick {
  /** When the first was enqueued, or, if the process was stopped before the end of the tick, when it went on. */
  atMs: number;
  /** The shortest of their timeouts. */
  shortestMs: number;
}

/** A script call in flight. */
export interface Call {
  readonly entries: readonly PendingOperation[];
  unreplied: number;
  /**
   * `overdue`: every reply was a timeout, and it holds up nothing else any more. `over`: it was answered or failed, or
   * never will be, since a later call was answered.
   */
  state: 'under way' | 'overdue' | 'over';
}

/** The header of every call, made when the call is sent. */
export interface BatchHeader {
  /** The node's marker key, or undefined where the node votes without one. */
  readonly markerKey: string | undefined;
  /** What all calls of a quorum have in common, see {@link quorumText}. */
  readonly quorum: string;
  /** Whether this process hears the node's notifications. */
  isHeard(): boolean;
  /** The node's TIME, in microseconds, after which nothing of the call may be granted. */
  deadlineUs(nowMs: number, withinMs: number): number;
}

/**
 * The ends of ticks. The nodes of a quorum are asked in one tick. So there is one end for all of their batchers, and
 * one look at the clock.
 */
export class Ticks {
  readonly #clock: Clock;
  /** Those in whose present tick something was enqueued: the first of them has {@link end} called once it is over. */
  batchers: Batcher[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly end = (): void => {
    const { batchers } = this;
    this.batchers = [];
    const now = instant(this.#clock).uptime;
    for (const batcher of batchers) batcher.endTick(now);
  };
}
