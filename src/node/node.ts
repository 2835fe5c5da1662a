import { isolated } from '../base/callback.ts';
import type { Timer } from '../base/clock.ts';
import { messageOf } from '../base/describe.ts';
import type { NodeState } from '../base/diagnostics.ts';
import { platform } from '../base/platform.ts';
import { instant } from '../base/sound-clock.ts';
import type { FailureReason, NodeVote, Reply } from '../base/vote.ts';
import { quorumText } from '../wire/batch.ts';
import type { Client } from '../wire/client.ts';
import {
  failed,
  isOwed,
  MalformedAnswerError,
  type Operation,
  type Owed,
  TOKENS_A_LEASE,
} from '../wire/operation.ts';
import { explain, isLoading, isOfSettings, isServerError, isWrongServer } from '../wire/server-errors.ts';
import { type AnswerListener, Batcher, type ReplyListener, type Ticks } from './batcher.ts';
import {
  type Handshake,
  handshakeWith,
  MARKER_KEY,
  type MarkerWrite,
  NoAnswerError,
  UnfitServerError,
} from './marker.ts';
import { CLAMP_MS, type NodeSettings } from './node-settings.ts';
import { NodeSubscription } from './node-subscription.ts';
import { type Divergence, NodeClock, type TimeReading } from './node-time.ts';
import { ReleaseRetries } from './release-retries.ts';

/** Decides whether a node may vote, and learns what bears on it. */
export interface MembershipListener {
  /** The node had its handshake, on a new connection or because its marker would not let it vote. */
  greeted(node: Node, handshake: Handshake): void;
  clockDiverged(node: Node, divergence: Divergence): void;
  /** The node keeps answering too late; it is *slow*. */
  tooSlow(node: Node): void;
}

/** A reason, or a function that tells it: one that names the time left changes every moment. */
export type Why = string | (() => string);

type Phase = 'connecting' | 'greeting' | 'voting' | 'quarantined' | 'refused' | 'down' | 'ended';

/** Pause before another handshake with a server that refused one. */
const HANDSHAKE_AGAIN_MS = 250;

/** A server that can't be a node is connected to anew at once, then after so long, then after twice as long, … */
const SHORTEST_RENEWAL_MS = 100;

/** … and at the latest after so long. */
const LONGEST_RENEWAL_MS = 5_000;

/** If another address leads to the same server, a voting node is connected to anew after so long, then twice that, … */
const SHORTEST_DOUBT_MS = 1_000;

/** … and at the latest after so long. */
const LONGEST_DOUBT_MS = 300_000;

/** A deadline that no clock reaches, for a Cluster, whose servers each have a TIME of their own. */
const NO_DEADLINE_US = Number.MAX_SAFE_INTEGER;

/**
 * One Redis master: an operation in, one reply out, never a throw.
 *
 * A node is *connecting* until its client is ready. Then it is *greeting*, while it has its handshake and the
 * membership decides. Then it is *voting*, *quarantined* (the membership or its own marker keep it from voting for
 * now) or *refused*. It is *down* while there is no connection or the handshake fails, and *ended* when the library
 * was closed. A refused node gets another handshake, on its connection and on new ones: its address may lead to
 * another server by now. Connecting and greeting nodes hold operations, within their timeout; refused, down and ended
 * ones fail them at once. A quarantined node is asked all the same: its marker is the judge, and releases are always
 * welcome.
 */
export class Node {
  readonly address: string;
  /** Its vote as long as it has not cast one. */
  readonly pending: NodeVote;
  /** Whether it is a Redis Cluster, whose servers have no marker in common. */
  readonly isCluster: boolean;
  readonly subscription: NodeSubscription;
  readonly time: NodeClock;
  readonly #client: Client;
  readonly #settings: NodeSettings;
  readonly #membership: MembershipListener;
  readonly #batcher: Batcher;
  readonly #releases: ReleaseRetries;
  readonly #stopListening: () => void;
  readonly #stateListeners = new Set<() => void>();
  #state: Phase = 'connecting';
  /** The reason why it does not vote, for messages: as it is at the moment of a message. */
  #why: Why = 'it is not connected yet';
  #runId = '';
  #silent = false;
  /** Of a node that keeps answering too late: how long it takes, and how long it has. */
  #slow: { readonly roundTripMs: number; readonly timeoutMs: number } | undefined;
  #hasFailed = false;
  #connection = 0;
  #handshakeAgain: Timer | undefined;
  #refusedFor: FailureReason = 'refused';
  /**
   * Why it will not vote until a program or a server is set up in another way. The next connection may be lost without a
   * word, so this holds until a handshake says otherwise.
   */
  #keptOut: string | undefined;
  /** A new connection is being made instead of one to a server which can't be a node; `lost`: that one is gone. */
  #renewal: 'begun' | 'lost' | undefined;
  #renewalTimer: Timer | undefined;
  /** How many connections have been made anew since the node was last of use. */
  #renewals = 0;
  #greetedAtMs = 0;
  /** When it is connected to anew if it is the same server as another node still, and how long after that once more. */
  #doubt: { readonly atMs: number; readonly pauseMs: number } | undefined;
  #clockWrongUntilMs: number | undefined;
  /** The node answered; `reading` is one of its clock, if there is one. */
  readonly #answered = (reading: TimeReading | undefined, jumpedMs: number): void => {
    if (this.#silent) this.#speakAgain();
    if (reading !== undefined && !this.isCluster) {
      const divergence = this.time.note(reading, jumpedMs);
      if (divergence !== undefined) this.#membership.clockDiverged(this, divergence);
    }
    if (!this.#releases.isIdle) this.#releases.askAgain();
  };
  /** The server answered an operation. Returns the reply as it counts. */
  readonly #done = (operation: Operation, reply: Reply): Reply => {
    if (reply.outcome === 'failed' && reply.reason === 'error') {
      if (isOwed(operation)) this.#releases.failed(operation, 'refused');
      this.#heardError(reply.message);
      return failed('error', explain(reply.message));
    }
    if (operation.kind === 'release' || operation.kind === 'leave') {
      if (reply.outcome === 'failed') this.#releases.failed(operation, 'refused');
      else if (!this.#releases.isIdle) this.#releases.confirmed(operation);
      return reply;
    }
    if (operation.kind === 'enter' || operation.kind === 'waiting') return reply;
    if (reply.outcome === 'failed' && reply.reason === 'quarantined') return this.#learnOfQuarantine(reply);
    if (reply.outcome === 'granted') {
      this.#renewals = 0;
      if (this.#state === 'quarantined') this.#enter('voting', '');
    }
    if (reply.outcome !== 'granted' && reply.outcome !== 'missing') return reply;
    const wrongUntilMs = this.#clockWrongUntilMs;
    if (wrongUntilMs === undefined || wrongUntilMs <= this.#settings.clock.monotonic()) return reply;
    return failed('clock', this.#whyClock());
  };

  /** @param ticks of all nodes of the quorum; undefined: this one has its own */
  constructor(client: Client, settings: NodeSettings, membership: MembershipListener, ticks?: Ticks) {
    this.address = client.address;
    this.pending = { outcome: 'pending', node: client.address, latencyMs: undefined };
    this.isCluster = client.isCluster;
    this.time = new NodeClock(settings.driftFactor);
    this.subscription = new NodeSubscription(client);
    this.#client = client;
    this.#settings = settings;
    this.#membership = membership;
    const answers: AnswerListener = {
      answered: this.#answered,
      done: this.#done,
      undone: (operation, setback) => {
        if (isOwed(operation)) this.#releases.failed(operation, setback);
      },
      refused: (error) => {
        if (this.#silent) this.#speakAgain();
        this.#heardError(error);
      },
      timedOut: () => this.#fallSilent(),
      tooSlow: (roundTripMs, timeoutMs) => {
        this.#slow = { roundTripMs, timeoutMs };
        this.#tellListeners();
        this.#membership.tooSlow(this);
      },
      inTime: () => {
        this.#slow = undefined;
        this.#tellListeners();
      },
    };
    const usesMarker = settings.usesMarker && !client.isCluster;
    const header = {
      markerKey: usesMarker ? MARKER_KEY : undefined,
      quorum: quorumText({
        nodeCount: usesMarker ? settings.nodeCount : undefined,
        maxTtl: settings.maxTtl,
        clampUs: CLAMP_MS * 1_000,
        fenceRetentionMs: settings.fenceRetention,
        graceMs: settings.grace,
        block: TOKENS_A_LEASE,
      }),
      isHeard: () => this.subscription.isOpen,
      deadlineUs: (nowMs: number, withinMs: number) =>
        (this.isCluster ? undefined : this.time.deadlineUs(nowMs, withinMs)) ?? NO_DEADLINE_US,
    };
    this.#batcher = new Batcher(client, settings.clock, header, answers, settings.leastTimeout, ticks);
    const enqueue = (operation: Owed) =>
      new Promise<void>((resolve) => {
        this.#batcher.enqueue(operation, settings.nodeTimeout, () => resolve());
      });
    const room = () => (this.isCounted ? this.#batcher.room : 0);
    this.#releases = new ReleaseRetries(settings, enqueue, room);
    this.#stopListening = client.onStateChange(() => this.#followClient());
    this.#followClient();
    if (this.#state === 'connecting') this.#expectConnection();
  }

  /** Whether the node has left an operation unanswered and has not answered anything since. */
  get isSilent(): boolean {
    return this.#silent;
  }

  /** Whether it is certain, for now, if the node votes. */
  get isSettled(): boolean {
    return this.#state !== 'connecting' && this.#state !== 'greeting' && this.#renewal === undefined;
  }

  get isVoting(): boolean {
    return this.#state === 'voting';
  }

  /** Whether it is a member of the quorum, even if its votes do not count for now. */
  get isCounted(): boolean {
    return this.#state === 'voting' || this.#state === 'quarantined';
  }

  get isRefused(): boolean {
    return this.#state === 'refused';
  }

  /** Whether waiting is in vain: its driver is missing, its client was ended, or the server lets this client do too little. */
  get isLost(): boolean {
    return this.#client.state === 'ended' || this.#keptOut !== undefined;
  }

  get isDown(): boolean {
    return this.#state === 'down';
  }

  /** Whether its state may become clear any moment: it has not failed since it was a member, or connects anew. */
  get isExpected(): boolean {
    return this.#renewal !== undefined || (!this.isSettled && !this.#hasFailed);
  }

  /** Its state as it is known; undefined while that is being found out. */
  get state(): NodeState | undefined {
    switch (this.#state) {
      case 'voting':
        if (this.#silent || this.#slow !== undefined) return 'slow';
        return this.clockWrongForMs > 0 ? 'clock' : 'up';
      case 'connecting':
      case 'greeting':
        return undefined;
      case 'ended':
        return 'down';
      default:
        return this.#state;
    }
  }

  /** Why it does not vote, or its votes do not count; empty if there is no reason. */
  get why(): string {
    if (this.#state !== 'voting') return this.#reason();
    if (this.#slow !== undefined) {
      const [tripMs, hasMs] = [this.#slow.roundTripMs, this.#slow.timeoutMs].map(Math.round);
      return (
        `it takes about ${tripMs} ms to answer, and has ${hasMs} ms: its votes come too late and do not count. Raise ` +
        'nodeTimeout or, if it is not set, the ttl: a node has a quarter of it at most. Or take a node that is nearer or faster'
      );
    }
    if (this.#silent) return 'it has left a question unanswered, and has not answered anything since';
    return this.clockWrongForMs > 0 ? this.#whyClock() : '';
  }

  /** For how many milliseconds its votes do not count because of its clock. */
  get clockWrongForMs(): number {
    return Math.max(0, (this.#clockWrongUntilMs ?? 0) - this.#settings.clock.monotonic());
  }

  /** Its smoothed round trip, in milliseconds; 0 before its first answer. */
  get roundTripMs(): number {
    return this.#batcher.time.roundTripMs;
  }

  /** The reply that the node is known to fail with at present, if it does; known without asking it. */
  get obstacle(): Reply | undefined {
    if (this.#state === 'quarantined') return failed('quarantined', this.#reason());
    if (this.#silent) return failed('timeout', 'not asked: earlier commands are still without an answer');
    return undefined;
  }

  /** Calls `listener` whenever the state may have changed, or a silent node answered. Returns a function to stop it. */
  onStateChange(listener: () => void): () => void {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  /** Has the node do an operation. `listener` gets the one reply, with `place`, within `timeoutMs`, but not yet now. `nowMs`: the uptime, if it is known. */
  submit(operation: Operation, timeoutMs: number, listener: ReplyListener, place = 0, nowMs?: number): void {
    const { isIdle } = this.#releases;
    if (!isIdle && isOwed(operation)) this.#releases.sent(operation);
    if (this.#state === 'down' || this.#state === 'ended' || this.#state === 'refused') {
      if (isOwed(operation)) this.#releases.failed(operation, 'lost');
      const reply = this.#refusal();
      platform.queueMicrotask(() => listener(reply, 0, place));
      return;
    }
    if (!isIdle) this.#releases.sendPutOff();
    this.#batcher.enqueue(operation, timeoutMs, listener, place, nowMs);
  }

  /** Has the node do an operation some time soon, without a reply. */
  submitLater(operation: Owed): void {
    if (this.#state !== 'ended') this.#releases.putOff(operation);
  }

  /** Sends what was put off. Resolves when that and all else was answered, or never will be. */
  async flush(): Promise<void> {
    if (this.isCounted) await this.#releases.sendPutOff();
    await this.#batcher.drained();
  }

  /** Makes a handshake with the server, and writes its marker if `write` is given. Rejects without a timely answer. */
  async handshake(write?: MarkerWrite): Promise<Handshake> {
    if (this.#client.state !== 'ready') throw new Error(this.#client.stateReason);
    const { clock, handshakeTimeout, usesMarker, probeKeys } = this.#settings;
    const connection = this.#connection;
    const asking = handshakeWith(this.#client, {
      clock,
      timeoutMs: handshakeTimeout,
      needsInfo: usesMarker,
      probeKeys: this.isCluster ? [] : probeKeys,
      write,
    });
    const handshake = await asking.catch((error: unknown) => {
      if (error instanceof NoAnswerError && connection === this.#connection) this.#fallSilent();
      throw error;
    });
    if (connection !== this.#connection || this.#state === 'ended') {
      throw new Error('the connection it was asked on has been lost');
    }
    // Another process may be on another machine; the same one has the same clock on every connection.
    if (handshake.runId !== this.#runId) {
      this.time.reset();
      this.#doubt = undefined;
    }
    this.#runId = handshake.runId;
    this.#batcher.time.note(0, handshake.sentAtMs, handshake.receivedAtMs);
    const now = instant(this.#settings.clock);
    this.#answered(handshake, now.uptime - now.monotonic);
    return handshake;
  }

  /** The membership lets the node vote, as far as its marker does. One that votes already may still be slow. */
  admit(): void {
    if (this.#state === 'voting') this.#releases.askAgain();
    else this.#decide('voting', '');
  }

  quarantine(why: Why): void {
    this.#decide('quarantined', why);
  }

  refuse(why: string, reason: FailureReason = 'refused'): void {
    this.#refusedFor = reason;
    this.#decide('refused', why);
  }

  /** The membership finds that another node is the same server: one of their addresses may lead elsewhere by now. */
  doubt(): void {
    const now = this.#settings.clock.uptime();
    if (this.#doubt !== undefined && now < this.#doubt.atMs) return;
    if (this.#doubt !== undefined) this.#reconnect();
    const pauseMs = Math.min(2 * (this.#doubt?.pauseMs ?? SHORTEST_DOUBT_MS / 2), LONGEST_DOUBT_MS);
    this.#doubt = { atMs: now + pauseMs, pauseMs };
  }

  /** Leaves the node out for this long because of its clock, by a clock that does not jump. */
  distrustClock(forMs: number): void {
    this.#clockWrongUntilMs = this.#settings.clock.monotonic() + forMs;
    this.#tellListeners();
  }

  /** Ends it: pending operations fail, timers stop, a connection that the library made is dropped. */
  close(): void {
    if (this.#state === 'ended') return;
    isolated('what onStateChange() of a client returned', this.#stopListening);
    this.#enter('ended', 'this Redlock is closed');
    this.#releases.close();
    isolated("a client's close()", () => this.#client.close());
    this.#batcher.close(this.#refusal());
  }

  #followClient(): void {
    if (this.#state === 'ended') return;
    switch (this.#client.state) {
      case 'ready':
        if (this.#state !== 'connecting' && this.#state !== 'down' && this.#renewal !== 'lost') return;
        this.#connection += 1;
        this.#greetedAtMs = this.#settings.clock.uptime();
        this.#enter('greeting', '');
        void this.#introduce(this.#connection);
        return;
      case 'connecting':
        return;
      case 'down':
      case 'ended':
        if (this.#state === 'down') {
          // The reason why it can't be reached comes to light with the next connection.
          this.#noteLoss();
          return;
        }
        this.#connection += 1;
        // The reason why it was refused stands.
        if (this.#renewal !== undefined && this.#client.state === 'down') this.#renewal = 'lost';
        else {
          this.#noteLoss();
          this.#enter('down', this.#client.stateReason);
        }
        return;
    }
  }

  #noteLoss(): void {
    this.#why = this.#client.stateReason;
    if (isOfSettings(this.#why)) this.#keptOut = this.#why;
  }

  /** A server may accept a connection and never answer; then it is down until it does. */
  #expectConnection(): void {
    const { clock, handshakeTimeout } = this.#settings;
    const tooLate = () => {
      if (this.#state === 'connecting')
        this.#enter('down', `not ready within ${handshakeTimeout} ms: ${this.#client.stateReason}`);
    };
    this.#handshakeAgain = clock.after(handshakeTimeout, tooLate, { keepAlive: false });
  }

  #introduce(connection: number): Promise<void> {
    const isOver = () => connection !== this.#connection || this.#state === 'ended';
    return this.handshake().then(
      (handshake) => {
        if (isOver()) return;
        this.#keptOut = undefined;
        this.#membership.greeted(this, handshake);
      },
      (error: unknown) => {
        if (!isOver()) this.#handshakeFailed(error);
      },
    );
  }

  /** A server that does not answer is down. One that answers with an error gets another handshake. */
  #handshakeFailed(error: unknown): void {
    const { clock, handshakeTimeout } = this.#settings;
    const message = messageOf(error);
    const isUnfit = error instanceof UnfitServerError || error instanceof MalformedAnswerError;
    const why = isUnfit ? message : explain(message);
    if (error instanceof UnfitServerError || isOfSettings(message)) this.#keptOut = why;
    if (!isUnfit && !isServerError(message)) {
      this.#enter('down', message);
      this.#handshakeAgain = clock.after(HANDSHAKE_AGAIN_MS, () => this.#followClient(), {
        keepAlive: false,
      });
      return;
    }
    const mayBeReadySoon = isLoading(message) && clock.uptime() - this.#greetedAtMs < handshakeTimeout;
    // Operations on a first connection wait until the server has loaded its data.
    if (!mayBeReadySoon || this.#hasFailed || this.#state !== 'greeting') {
      this.#refusedFor = 'error';
      this.#enter('refused', why);
    }
    this.#askAnew();
  }

  /** Makes another handshake after a while, if the connection is still the same one. */
  #askAnew(): void {
    const connection = this.#connection;
    const again = () => {
      if (connection === this.#connection) void this.#introduce(connection);
    };
    this.#handshakeAgain = this.#settings.clock.after(HANDSHAKE_AGAIN_MS, again, { keepAlive: false });
  }

  /** The server's error to an operation. If it can't be a node any more, another one may be at its address. */
  #heardError(message: string): void {
    if (this.isCluster || !this.isCounted || !isWrongServer(message)) return;
    this.#refusedFor = 'refused';
    this.#enter('refused', explain(message));
    this.#askAnew();
  }

  /** Makes a new connection in place of one to a server which can't be a node; again and again, ever more seldom. */
  #renewLater(): void {
    if (this.isCluster || this.#renewalTimer !== undefined) return;
    const { clock } = this.#settings;
    const nextMs = Math.min(SHORTEST_RENEWAL_MS * 2 ** (this.#renewals - 1), LONGEST_RENEWAL_MS);
    const pauseMs = this.#renewals === 0 ? 0 : nextMs;
    this.#renewalTimer = clock.after(pauseMs, () => this.#renew(), { keepAlive: false });
  }

  #renew(): void {
    const { clock, handshakeTimeout } = this.#settings;
    this.#renewals += 1;
    this.#renewal = 'begun';
    const tooLate = () => this.#enter('down', this.#client.stateReason);
    this.#renewalTimer = clock.after(handshakeTimeout, tooLate, { keepAlive: false });
    // The client makes new connections itself, if any; the next handshake is on this one.
    if (this.#reconnect() !== true) this.#endRenewal();
  }

  #reconnect(): boolean | undefined {
    return isolated("a client's reconnect()", () => this.#client.reconnect());
  }

  #endRenewal(): void {
    this.#renewalTimer?.cancel();
    this.#renewalTimer = undefined;
    this.#renewal = undefined;
  }

  #decide(state: 'voting' | 'quarantined' | 'refused', why: Why): void {
    if (this.#state === 'down' || this.#state === 'ended' || this.#state === 'connecting') return;
    this.#enter(state, why);
    if (state !== 'refused') this.#releases.askAgain();
  }

  #enter(state: Exclude<Phase, 'connecting'>, why: Why): void {
    this.#handshakeAgain?.cancel();
    if (state === 'refused') this.#renewLater();
    else this.#endRenewal();
    this.#state = state;
    this.#why = why;
    switch (state) {
      case 'greeting':
        this.#batcher.hold();
        break;
      case 'voting':
      case 'quarantined':
        this.#silent = false;
        this.#slow = undefined;
        this.#hasFailed = false;
        this.#batcher.send();
        break;
      case 'refused':
      case 'down':
      case 'ended':
        this.#hasFailed = true;
        this.#batcher.fail(this.#refusal());
        break;
    }
    this.#tellListeners();
  }

  #tellListeners(): void {
    for (const listener of this.#stateListeners) listener();
  }

  #refusal(): Reply {
    return failed(this.#reasonToFail, this.#reason());
  }

  #reason(): string {
    if (this.#keptOut !== undefined && this.#state === 'down') return this.#keptOut;
    return typeof this.#why === 'string' ? this.#why : this.#why();
  }

  get #reasonToFail(): FailureReason {
    if (this.#state === 'ended') return 'closed';
    if (this.#state === 'refused') return this.#refusedFor;
    // A server that does not let this client in has been reached.
    return this.#keptOut !== undefined || isServerError(this.#reason()) ? 'error' : 'disconnected';
  }

  #fallSilent(): void {
    if (this.#silent) return;
    this.#silent = true;
    this.#tellListeners();
  }

  #whyClock(): string {
    return (
      `its clock went ahead by more than driftFactor (${this.#settings.driftFactor}) allows, so that keys may have expired ` +
      'too early; see the warning QUORLOCK_CLOCK'
    );
  }

  /** It answers after it has left a question unanswered. */
  #speakAgain(): void {
    this.#silent = false;
    this.#tellListeners();
  }

  /** The marker does not let the node vote. If that is news, it needs a handshake. */
  #learnOfQuarantine(reply: Reply): Reply {
    if (this.#state === 'quarantined') return failed('quarantined', this.#reason());
    void this.introduceAnew();
    return reply;
  }

  /** Has a node that votes show again what it is, as on a new connection: its marker does not let it vote. */
  async introduceAnew(): Promise<void> {
    if (this.#state !== 'voting') return;
    this.#enter('greeting', '');
    await this.#introduce(this.#connection);
  }
}
