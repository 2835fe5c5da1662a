import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  type Attributes,
  type BatchObservableResult,
  type Context,
  context,
  diag,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  type Span,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import { disown } from '../base/callback.ts';
import { describe, read } from '../base/describe.ts';
import type {
  AcquireMessage,
  ExtendMessage,
  HoldMessage,
  LockMessage,
  NodeState,
  QuorlockChannels,
  VoteMessage,
} from '../base/diagnostics.ts';
import { QuorlockError } from '../base/errors.ts';
import type { Status } from '../redlock/status.ts';

/** A `MeterProvider` of `@opentelemetry/api`. */
export interface MeterProviderLike {
  getMeter(name: string): object;
}

/** A `TracerProvider` of `@opentelemetry/api`. */
export interface TracerProviderLike {
  getTracer(name: string): object;
}

/** A `Redlock`, or what tells as much of its nodes. */
export interface Observed {
  status(): Promise<Pick<Status, 'nodes'>>;
}

/** Settings of the instrumentation. */
export interface InstrumentOptions {
  /** Makes the metrics. Default: the global one, as it is when `instrument` is called. */
  readonly meterProvider?: MeterProviderLike | undefined;
  /** Makes the spans. Default: the global one. */
  readonly tracerProvider?: TracerProviderLike | undefined;
  /**
   * Gives locks a name, the attribute `quorlock.lock.name` of their metrics and spans. Give one of a few, such as
   * `order` for all of `order:1`, `order:2` and so on: each makes series of its own. Undefined: the lock has none.
   * Default: no lock has one. No other attribute tells a resource.
   */
  readonly lockName?: ((resources: readonly string[]) => string | undefined) | undefined;
}

const NAME = 'quorlock';

/** The attributes of metrics and spans. */
const LOCK_NAME = 'quorlock.lock.name';
const LOCK_MODE = 'quorlock.lock.mode';
const OUTCOME = 'quorlock.outcome';
const NODE = 'quorlock.node.address';
const OPERATION = 'quorlock.operation';
const STATE = 'quorlock.state';
const ERROR = 'error.type';

/** Those of spans alone. */
const ATTEMPTS = 'quorlock.acquire.attempts';
const TOKEN = 'quorlock.lock.token';

/** The buckets that OpenTelemetry's conventions have for durations in seconds, and those for a node's votes. */
const CALL_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const HOLD_SECONDS = [...CALL_SECONDS, 25, 50, 100, 250];
const VOTE_SECONDS = [0.0005, 0.001, 0.0025, ...CALL_SECONDS.slice(0, 8)];

const STATES = [
  'up',
  'connecting',
  'slow',
  'clock',
  'quarantined',
  'refused',
  'down',
] as const satisfies readonly NodeState[];

/** The errors that say that other holders have the lock, and not that nodes are in trouble. */
const HELD = new Set(['QUORLOCK_HELD', 'QUORLOCK_WAIT_TIMEOUT']);

/** A call that waits for a lock. */
interface Call {
  /** The context of its caller. */
  readonly context: Context;
  readonly span: Span;
  readonly attributes: Attributes;
}

/**
 * Makes metrics and spans of all locks of this process, from now on, by OpenTelemetry. It hears the channels of
 * `node:diagnostics_channel`, and costs nothing once it is stopped.
 */
export function instrument(options: InstrumentOptions = {}): Telemetry {
  return new Telemetry(options);
}

/** What {@link instrument} has begun. */
export class Telemetry implements Disposable {
  readonly #lockName: InstrumentOptions['lockName'];
  readonly #tracer: Tracer;
  readonly #meter: Meter;
  readonly #instruments: Instruments;
  readonly #observed = new Set<Observed>();
  readonly #calls = new Map<AcquireMessage, Call>();
  readonly #holds = new Map<AcquireMessage, Omit<Call, 'context'>>();
  readonly #stops: (() => void)[] = [];

  /** Made by {@link instrument}. @internal */
  constructor(options: InstrumentOptions) {
    const { meterProvider, tracerProvider, lockName } = read('options', () => ({
      meterProvider: options.meterProvider,
      tracerProvider: options.tracerProvider,
      lockName: options.lockName,
    }));
    if (lockName !== undefined && typeof lockName !== 'function') {
      throw new TypeError(`lockName must be a function: got ${describe(lockName)}`);
    }
    this.#lockName = lockName;
    this.#tracer = ((tracerProvider ?? trace) as TracerProvider).getTracer(NAME);
    this.#meter = ((meterProvider ?? metrics) as MeterProvider).getMeter(NAME);
    this.#instruments = instrumentsOf(this.#meter);
    this.#hear('quorlock:acquire', ':start', (message) => this.#asks(message));
    this.#hear('quorlock:acquire', ':asyncEnd', (message) => this.#asked(message));
    this.#hear('quorlock:extend', ':asyncEnd', (message) => this.#extended(message));
    this.#hear('quorlock:release', ':start', (message) => this.#over(message, 'released'));
    this.#hear('quorlock:lock:lost', '', (message) => {
      this.#instruments.lost.add(1, this.#attributesOf(message));
      this.#over(message, 'lost');
    });
    this.#hear('quorlock:node:vote', '', (message) => this.#voted(message));
    const look = (into: BatchObservableResult) => this.#look(into);
    const looked = [this.#instruments.state, this.#instruments.clockOffset];
    this.#meter.addBatchObservableCallback(look, looked);
    this.#stops.push(() => this.#meter.removeBatchObservableCallback(look, looked));
  }

  /**
   * Measures the states and the clocks of a Redlock's nodes too, until it is closed: it is asked for its status whenever
   * metrics are collected.
   */
  observe(redlock: Observed): void {
    this.#observed.add(redlock);
  }

  /** Ends it: nothing is measured any more, spans that are open end, and what is held and pending is taken off again. */
  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#observed.clear();
    for (const { span, attributes } of this.#calls.values()) {
      this.#instruments.pending.add(-1, attributes);
      span.end();
    }
    for (const { span, attributes } of this.#holds.values()) {
      this.#instruments.held.add(-1, attributes);
      span.end();
    }
    this.#calls.clear();
    this.#holds.clear();
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #hear<Name extends keyof QuorlockChannels>(
    name: Name,
    part: ':start' | ':asyncEnd' | '',
    hear: (message: QuorlockChannels[Name]) => void,
  ): void {
    const channel = part === '' ? name : `tracing:${name}${part}`;
    const listener = (message: unknown) => hear(message as QuorlockChannels[Name]);
    subscribe(channel, listener);
    this.#stops.push(() => unsubscribe(channel, listener));
  }

  #asks(message: AcquireMessage): void {
    const attributes = this.#attributesOf(message);
    const caller = context.active();
    const span = this.#tracer.startSpan('quorlock.acquire', { attributes }, caller);
    this.#calls.set(message, { context: caller, span, attributes });
    this.#instruments.pending.add(1, attributes);
  }

  #asked(message: AcquireMessage): void {
    const call = this.#calls.get(message);
    // It was begun before this was.
    if (call === undefined) return;
    const { span, attributes } = call;
    this.#calls.delete(message);
    this.#instruments.pending.add(-1, attributes);
    const told = { [OUTCOME]: outcomeOf(message), ...errorOf(message) };
    this.#instruments.acquire.record(seconds(message.elapsedMs), { ...attributes, ...told });
    span.setAttributes({ ...told, [ATTEMPTS]: message.attempts });
    if (message.error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
    if (message.granted !== true) return;
    const token = message.token === undefined ? {} : { [TOKEN]: message.token };
    const hold = this.#tracer.startSpan(
      'quorlock.hold',
      { attributes: { ...attributes, ...token } },
      call.context,
    );
    this.#holds.set(message, { span: hold, attributes });
    this.#instruments.held.add(1, attributes);
  }

  #extended(message: ExtendMessage): void {
    const attributes = this.#attributesOf(message);
    const told = errorOf(message);
    this.#instruments.extend.record(seconds(message.elapsedMs), { ...attributes, ...told });
    const hold = message.acquire && this.#holds.get(message.acquire);
    hold?.span.addEvent('quorlock.extend', told);
  }

  #over(message: HoldMessage, outcome: 'released' | 'lost'): void {
    const hold = message.acquire && this.#holds.get(message.acquire);
    // It was acquired before this was begun, or is lost already.
    if (message.acquire === undefined || hold === undefined) return;
    const { span, attributes } = hold;
    this.#holds.delete(message.acquire);
    this.#instruments.held.add(-1, attributes);
    this.#instruments.hold.record(seconds(message.heldMs), { ...attributes, [OUTCOME]: outcome });
    span.setAttribute(OUTCOME, outcome);
    if (outcome === 'lost') span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }

  #voted({ node, operation, outcome, reason, latencyMs }: VoteMessage): void {
    const attributes = { [NODE]: node, [OPERATION]: operation };
    const why = reason === undefined ? {} : { [ERROR]: reason };
    this.#instruments.vote.add(1, { ...attributes, [OUTCOME]: outcome, ...why });
    if (outcome !== 'failed') this.#instruments.voteDuration.record(seconds(latencyMs), attributes);
  }

  async #look(into: BatchObservableResult): Promise<void> {
    const { state, clockOffset } = this.#instruments;
    const looks = [...this.#observed].map(async (redlock) => {
      const status = await redlock.status().catch(() => undefined);
      // It is refused by a Redlock that is closed, and by no other.
      if (status === undefined) this.#observed.delete(redlock);
      for (const { node, state: current, clockOffsetMs } of status?.nodes ?? []) {
        for (const each of STATES) {
          into.observe(state, each === current ? 1 : 0, { [NODE]: node, [STATE]: each });
        }
        if (clockOffsetMs !== undefined) into.observe(clockOffset, clockOffsetMs / 1_000, { [NODE]: node });
      }
    });
    await Promise.all(looks);
  }

  #attributesOf({ mode, resources }: LockMessage): Attributes {
    const name = this.#nameOf(resources);
    return name === undefined ? { [LOCK_MODE]: mode } : { [LOCK_MODE]: mode, [LOCK_NAME]: name };
  }

  /** A function that throws must not end the process, as a listener of a channel would. */
  #nameOf(resources: readonly string[]): string | undefined {
    try {
      const name: unknown = this.#lockName?.(resources);
      if (name === undefined || typeof name === 'string') return name;
      disown(name);
      throw new TypeError(`it must return a string or undefined: got ${describe(name)}`);
    } catch (error) {
      diag.error('quorlock: lockName failed', error);
      return undefined;
    }
  }
}

type Instruments = ReturnType<typeof instrumentsOf>;

function instrumentsOf(meter: Meter) {
  const histogram = (name: string, description: string, explicitBucketBoundaries: number[]): Histogram =>
    meter.createHistogram(`quorlock.${name}`, {
      description,
      unit: 's',
      advice: { explicitBucketBoundaries },
    });
  return {
    acquire: histogram('acquire.duration', 'How long calls that asked for a lock took.', CALL_SECONDS),
    hold: histogram('hold.duration', 'How long locks were held.', HOLD_SECONDS),
    extend: histogram('extend.duration', 'How long extensions took.', CALL_SECONDS),
    voteDuration: histogram('node.vote.duration', "How long nodes' answers took.", VOTE_SECONDS),
    held: meter.createUpDownCounter('quorlock.lock.held', {
      description: 'Locks that this process holds.',
      unit: '{lock}',
    }),
    pending: meter.createUpDownCounter('quorlock.acquire.pending', {
      description: 'Calls that ask for a lock, and have neither got it nor failed.',
      unit: '{call}',
    }),
    lost: meter.createCounter('quorlock.lock.lost', {
      description: 'Locks that were lost before their holders had released them.',
      unit: '{lock}',
    }),
    state: meter.createObservableUpDownCounter('quorlock.node.state', {
      description: '1 for the state that a node is in, 0 for the others.',
      unit: '{node}',
    }),
    clockOffset: meter.createObservableGauge('quorlock.node.clock.offset', {
      description: "How far a node's clock is ahead of this machine's.",
      unit: 's',
    }),
    vote: meter.createCounter('quorlock.node.vote', {
      description: 'Answers of nodes, and operations that they have not answered.',
      unit: '{vote}',
    }),
  };
}

function outcomeOf({ granted, error }: AcquireMessage): 'granted' | 'held' | 'failed' {
  if (granted === true) return 'granted';
  return error === undefined || (error instanceof QuorlockError && HELD.has(error.code)) ? 'held' : 'failed';
}

/** The kind of an error, by its code or its class; of which there are few. */
function errorOf({ error }: { readonly error?: unknown }): Attributes {
  if (error === undefined) return {};
  if (error instanceof QuorlockError) return { [ERROR]: error.code };
  return { [ERROR]: error instanceof Error ? error.name : '_OTHER' };
}

function seconds(ms: number | undefined): number {
  return (ms ?? 0) / 1_000;
}
