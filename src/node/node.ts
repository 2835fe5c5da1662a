import type { Clock, Timer } from '../base/clock.ts';
import type { Reply } from '../base/vote.ts';
import type { Client } from '../wire/client.ts';
import { failed, type Operation } from '../wire/operation.ts';
import { type AnswerListener, Mailbox, type ReplyListener } from './mailbox.ts';
import { lookAt, type NodeLook } from './marker.ts';
import { NodeTime } from './node-time.ts';
import { OwedReleases } from './owed-releases.ts';

/** What a node needs to know of its quorum. */
export interface NodeSettings {
  readonly clock: Clock;
  readonly nodeCount: number;
  readonly driftFactor: number;
  readonly maxTtl: number;
  readonly nodeTimeout: number;
  readonly fenceRetention: number;
}

/** Microseconds that a proposed token may be away from a node's own TIME. */
const CLAMP_US = 1_000_000;

/** Pause before a server that would not be looked at is asked again. */
const LOOK_AGAIN_MS = 250;

/** A deadline that no clock reaches, for a Cluster, whose servers each have a TIME of their own. */
const NO_DEADLINE_US = Number.MAX_SAFE_INTEGER;

/**
 * One Redis master: an operation in, one reply out, never a throw.
 *
 * A node is *connecting* until its client is ready, *greeting* while it is looked at for the first time on a
 * connection, then *up*. It is *down* while there is no connection or the server would not be looked at, and
 * *ended* when the client or the library was closed. Connecting and greeting nodes hold what they are asked for,
 * within its timeout; nodes that are down or ended refuse it at once.
 */
export class Node {
  readonly address: string;
  /** The node's wall clock, as far as it is known. */
  readonly time: NodeTime;
  readonly #client: Client;
  readonly #settings: NodeSettings;
  readonly #mailbox: Mailbox;
  readonly #owed = new OwedReleases();
  readonly #stopListening: () => void;
  readonly #stateListeners = new Set<() => void>();
  #state: 'connecting' | 'greeting' | 'up' | 'down' | 'ended' = 'connecting';
  #whyDown = '';
  #silent = false;
  #connection = 0;
  #lookAgain: Timer | undefined;

  constructor(client: Client, settings: NodeSettings) {
    this.address = client.address;
    this.time = new NodeTime(settings.driftFactor);
    this.#client = client;
    this.#settings = settings;
    const answers: AnswerListener = {
      answered: (timeUs, sentAtMs, receivedAtMs) => this.#answered(timeUs, sentAtMs, receivedAtMs),
      done: (operation, reply) => this.#done(operation, reply),
      undone: (operation) => {
        if (operation.kind === 'release') this.#owed.failed(operation.value);
      },
      timedOut: () => {
        this.#silent = true;
      },
      isWanted: (operation) => operation.kind !== 'acquire' || !this.#owed.has(operation.value),
    };
    const header = {
      markerKey: undefined,
      nodeCount: settings.nodeCount,
      clampUs: CLAMP_US,
      fenceRetentionMs: settings.fenceRetention,
      deadlineUs: (nowMs: number, withinMs: number) =>
        (client.isCluster ? undefined : this.time.deadlineUs(nowMs, withinMs)) ?? NO_DEADLINE_US,
    };
    this.#mailbox = new Mailbox(client, settings.clock, header, answers);
    this.#stopListening = client.onStateChange(() => this.#followClient());
    this.#followClient();
  }

  /** Whether the node has left an operation unanswered and not been heard of since. */
  get isSilent(): boolean {
    return this.#silent;
  }

  /** Whether it is certain yet if operations can be sent. */
  get isSettled(): boolean {
    return this.#state !== 'connecting' && this.#state !== 'greeting';
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  /** Calls `listener` whenever {@link isSettled} or {@link isUp} may have changed. Returns how to stop. */
  onStateChange(listener: () => void): () => void {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  /** Has the node do an operation. `listener` hears the one reply, within `timeoutMs`, after this has returned. */
  submit(operation: Operation, timeoutMs: number, listener: ReplyListener): void {
    if (operation.kind === 'release') this.#owe(operation);
    if (this.#state === 'down' || this.#state === 'ended') {
      if (operation.kind === 'release') this.#owed.failed(operation.value);
      const reply = this.#refusal();
      queueMicrotask(() => listener(reply, 0));
      return;
    }
    this.#mailbox.post(operation, timeoutMs, listener);
  }

  /** Ends it: what waits for an answer fails, timers stop, a connection that the library made is dropped. */
  close(): void {
    if (this.#state === 'ended') return;
    this.#stopListening();
    this.#enter('ended', 'this Redlock is closed');
    this.#owed.clear();
    this.#client.close();
  }

  #followClient(): void {
    if (this.#state === 'ended') return;
    switch (this.#client.state) {
      case 'ready':
        if (this.#state === 'up' || this.#state === 'greeting') return;
        this.#connection += 1;
        this.#enter('greeting', '');
        void this.#greet(this.#connection);
        return;
      case 'connecting':
        return;
      case 'down':
      case 'ended':
        this.#enter('down', this.#client.stateReason);
        return;
    }
  }

  async #greet(connection: number): Promise<void> {
    let look: NodeLook;
    try {
      look = await lookAt(this.#client, this.#settings.clock);
    } catch (error) {
      if (connection !== this.#connection || this.#state !== 'greeting') return;
      this.#enter('down', error instanceof Error ? error.message : String(error));
      this.#lookAgain = this.#settings.clock.after(LOOK_AGAIN_MS, () => this.#followClient(), {
        keepAlive: false,
      });
      return;
    }
    if (connection !== this.#connection || this.#state !== 'greeting') return;
    if (look.role !== 'master') {
      this.#enter('down', `it is a ${look.role}, and only masters may vote. Give the address of a master`);
      return;
    }
    this.#enter('up', '');
    this.#answered(look.timeUs, look.sentAtMs, look.receivedAtMs);
  }

  #enter(state: 'greeting' | 'up' | 'down' | 'ended', why: string): void {
    this.#lookAgain?.cancel();
    this.#state = state;
    this.#whyDown = why;
    switch (state) {
      case 'greeting':
        this.#mailbox.hold();
        break;
      case 'up':
        this.#mailbox.send();
        break;
      case 'down':
      case 'ended':
        this.#mailbox.fail(this.#refusal());
        break;
    }
    for (const listener of this.#stateListeners) listener();
  }

  #refusal(): Reply {
    return failed(this.#state === 'ended' ? 'closed' : 'disconnected', this.#whyDown);
  }

  #answered(timeUs: number, sentAtMs: number, receivedAtMs: number): void {
    this.#silent = false;
    this.time.note(timeUs, sentAtMs, receivedAtMs);
    if (this.#owed.hasIdle && this.#state === 'up') this.#askForOwed();
  }

  #done(operation: Operation, reply: Reply): void {
    if (operation.kind !== 'release') return;
    if (reply.outcome === 'failed') this.#owed.failed(operation.value);
    else this.#owed.confirmed(operation.value);
  }

  #owe(release: { readonly keys: readonly string[]; readonly value: string }): void {
    const { clock, maxTtl, driftFactor, nodeTimeout } = this.#settings;
    const lapsesInMs = maxTtl * (1 + driftFactor) + nodeTimeout;
    this.#owed.sent(release, clock.monotonic() + lapsesInMs);
  }

  #askForOwed(): void {
    const { clock, nodeTimeout } = this.#settings;
    for (const { keys, value } of this.#owed.takeIdle(clock.monotonic())) {
      this.#mailbox.post({ kind: 'release', keys, value }, nodeTimeout, () => {
        // Nobody waits for it; done() and undone() keep the account.
      });
    }
  }
}
