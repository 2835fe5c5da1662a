import { readFile } from 'node:fs/promises';
import { type Attributes, context, type DiagLogger, diag, metrics, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type InstrumentOptions, instrument } from '../../src/otel/index.ts';
import { firstCodeIn, tableUnder } from '../support/markdown.ts';
import { World } from './world.ts';

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(() => context.disable());

/** One value of a metric: a count, or of a histogram how many there were and their sum. */
interface Point {
  readonly attributes: Attributes;
  readonly value: number | { readonly count: number; readonly sum: number };
}

/** The SDK, with exporters that keep everything in memory, and the instrumentation. */
class Bench implements AsyncDisposable {
  readonly #metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  readonly #spans = new InMemorySpanExporter();
  readonly #reader = new PeriodicExportingMetricReader({
    exporter: this.#metrics,
    exportIntervalMillis: 3_600_000,
  });
  readonly meterProvider = new MeterProvider({ readers: [this.#reader] });
  readonly tracerProvider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(this.#spans)],
  });
  readonly telemetry;

  constructor(options: InstrumentOptions = {}) {
    const { meterProvider, tracerProvider } = this;
    this.telemetry = instrument({ meterProvider, tracerProvider, ...options });
  }

  /** The spans that have ended. */
  get spans(): readonly ReadableSpan[] {
    return this.#spans.getFinishedSpans();
  }

  spansOf(name: string): readonly ReadableSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  /** All metrics at this moment. */
  async read() {
    this.#metrics.reset();
    await this.#reader.forceFlush();
    return this.#metrics
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
  }

  /** The values of one metric. */
  async points(name: string): Promise<readonly Point[]> {
    const metric = (await this.read()).find(({ descriptor }) => descriptor.name === `quorlock.${name}`);
    if (metric === undefined) return [];
    if (metric.dataPointType !== DataPointType.HISTOGRAM) {
      return metric.dataPoints.map(({ attributes, value }) => ({ attributes, value: Number(value) }));
    }
    return metric.dataPoints.map(({ attributes, value: { count, sum = Number.NaN } }) => ({
      attributes,
      value: { count, sum },
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.telemetry.stop();
    await this.meterProvider.shutdown();
    await this.tracerProvider.shutdown();
  }
}

async function connected() {
  const world = new World(3);
  const redlock = world.redlock();
  const settled = async <Result>(call: Promise<Result>, ms = 100): Promise<Result> => {
    call.catch(() => undefined);
    await world.clock.advance(ms);
    return call;
  };
  await settled(redlock.inspect('other'));
  return { world, redlock, settled };
}

/** By node. */
function sorted(points: readonly Point[]): readonly Point[] {
  const nodeOf = ({ attributes }: Point) => String(attributes['quorlock.node.address']);
  return points.toSorted((a, b) => nodeOf(a).localeCompare(nodeOf(b)));
}

const EXCLUSIVE = { 'quorlock.lock.mode': 'exclusive' };

describe('metrics', () => {
  it('have the names and units that docs/observing.md tells: durations in seconds', async () => {
    const { redlock, settled } = await connected();
    await using bench = new Bench();
    const lock = await settled(redlock.acquire('r', { ttl: 1_000 }));
    await settled(lock.extend());
    await settled(lock.release());
    await settled(redlock.acquire('r', { ttl: 1_000 }), 2_000);
    bench.telemetry.observe(redlock);
    const reading = bench.read();
    await settled(reading, 3_000);
    const read = (await reading).map(({ descriptor: { name, unit } }) => [name, unit]);
    const page = await readFile(new URL('../../docs/observing.md', import.meta.url), 'utf8');
    const rows = tableUnder(page, '### The metrics').map(([name = '', , unit = '']) =>
      [name, unit].map(firstCodeIn),
    );
    expect(rows).toHaveLength(10);
    expect(read.toSorted()).toEqual(rows.toSorted());
    for (const [name, unit] of rows)
      expect(unit === 's', name).toBe(/\.(?:duration|offset)$/.test(name ?? ''));
    for (const { descriptor } of await reading)
      expect(descriptor.description, descriptor.name).toMatch(/\.$/);
  });

  it('tell calls by what came of them', async () => {
    const { world, redlock, settled } = await connected();
    await using bench = new Bench();
    const lock = await settled(redlock.acquire('r', { ttl: 10_000 }));
    world.holdElsewhere('lock:s', 60_000);
    await settled(redlock.tryAcquire('s'));
    await settled(
      redlock.acquire('s', { waitTime: 500 }).catch(() => undefined),
      1_000,
    );
    await settled(redlock.readWrite('w').acquireRead({ ttl: 10_000 }));
    for (const server of world.servers) server.crash();
    await settled(
      redlock.acquire('t', { waitTime: 0 }).catch(() => undefined),
      5_000,
    );
    await expect(settled(lock.extend(), 5_000)).rejects.toThrow();
    const counts = (await bench.points('acquire.duration')).map(({ attributes, value }) => ({
      ...attributes,
      count: typeof value === 'number' ? undefined : value.count,
    }));
    expect(counts).toEqual([
      { ...EXCLUSIVE, 'quorlock.outcome': 'granted', count: 1 },
      { ...EXCLUSIVE, 'quorlock.outcome': 'held', count: 1 },
      { ...EXCLUSIVE, 'quorlock.outcome': 'held', 'error.type': 'QUORLOCK_WAIT_TIMEOUT', count: 1 },
      { 'quorlock.lock.mode': 'shared', 'quorlock.outcome': 'granted', count: 1 },
      { ...EXCLUSIVE, 'quorlock.outcome': 'failed', 'error.type': 'QUORLOCK_NO_QUORUM', count: 1 },
    ]);
    expect(await bench.points('extend.duration')).toMatchObject([
      { attributes: { ...EXCLUSIVE, 'error.type': 'QUORLOCK_EXTEND_FAILED' }, value: { count: 1 } },
    ]);
  });

  it('count what is pending and what is held, and for how long it was', async () => {
    const { redlock, settled } = await connected();
    await using bench = new Bench();
    const lock = await settled(redlock.acquire('r', { ttl: 10_000 }), 5);
    const asked = redlock.acquire('r', { ttl: 10_000 });
    await settled(Promise.resolve(), 2_000);
    expect(await bench.points('acquire.pending')).toEqual([{ attributes: EXCLUSIVE, value: 1 }]);
    expect(await bench.points('lock.held')).toEqual([{ attributes: EXCLUSIVE, value: 1 }]);
    await settled(lock.release(), 100);
    const next = await settled(asked, 0);
    expect(await bench.points('acquire.pending')).toEqual([{ attributes: EXCLUSIVE, value: 0 }]);
    expect(await bench.points('lock.held')).toEqual([{ attributes: EXCLUSIVE, value: 1 }]);
    await settled(next.release());
    expect(await bench.points('lock.held')).toEqual([{ attributes: EXCLUSIVE, value: 0 }]);
    const [held] = await bench.points('hold.duration');
    expect(held).toMatchObject({
      attributes: { ...EXCLUSIVE, 'quorlock.outcome': 'released' },
      value: { count: 2 },
    });
    const sum = typeof held?.value === 'object' ? held.value.sum : Number.NaN;
    expect(sum).toBeGreaterThan(2);
    expect(sum).toBeLessThan(2.3);
  });

  it('count locks that are lost, also if their caller has forgotten them', async () => {
    const { redlock, settled } = await connected();
    await using bench = new Bench();
    const lock = await settled(redlock.acquire('r', { ttl: 1_000 }), 2_000);
    await settled(lock.release());
    expect(await bench.points('lock.lost')).toEqual([{ attributes: EXCLUSIVE, value: 1 }]);
    expect(await bench.points('lock.held')).toEqual([{ attributes: EXCLUSIVE, value: 0 }]);
    expect(await bench.points('hold.duration')).toMatchObject([
      { attributes: { ...EXCLUSIVE, 'quorlock.outcome': 'lost' }, value: { count: 1 } },
    ]);
  });

  it('count what each node says, and for how long it took', async () => {
    const { world, redlock, settled } = await connected();
    await using bench = new Bench();
    world.server(2).crash();
    await settled(redlock.acquire('r'));
    const [first = '', second = '', third = ''] = world.clients.map(({ address }) => address);
    const of = (node: string) => ({ 'quorlock.node.address': node, 'quorlock.operation': 'acquire' });
    expect(sorted(await bench.points('node.vote'))).toEqual([
      { attributes: { ...of(first), 'quorlock.outcome': 'granted' }, value: 1 },
      { attributes: { ...of(second), 'quorlock.outcome': 'granted' }, value: 1 },
      { attributes: { ...of(third), 'quorlock.outcome': 'failed', 'error.type': 'disconnected' }, value: 1 },
    ]);
    const took = sorted(await bench.points('node.vote.duration'));
    expect(took.map(({ attributes }) => attributes)).toEqual([of(first), of(second)]);
  });
});

describe('the nodes of a Redlock that is observed', () => {
  const statesIn = (points: readonly Point[]) =>
    sorted(points)
      .filter(({ value }) => value === 1)
      .map(({ attributes }) => attributes['quorlock.state']);
  /** Nodes are asked, and answer in virtual time. */
  const pointsOf = async ({ clock }: World, bench: Bench, name: string) => {
    const reading = bench.points(name);
    await clock.advance(3_000);
    return await reading;
  };

  it('have a state each, which is 1, and the others 0', async () => {
    const { world, redlock } = await connected();
    await using bench = new Bench();
    expect(await bench.points('node.state')).toEqual([]);
    bench.telemetry.observe(redlock);
    const points = await pointsOf(world, bench, 'node.state');
    expect(points).toHaveLength(21);
    expect(statesIn(points)).toEqual(['up', 'up', 'up']);
    world.server(1).crash();
    expect(statesIn(await pointsOf(world, bench, 'node.state'))).toEqual(['up', 'down', 'up']);
  });

  it('have a clock, which may be ahead of this one', async () => {
    const { world, redlock } = await connected();
    await using bench = new Bench();
    bench.telemetry.observe(redlock);
    const offsets = await pointsOf(world, bench, 'node.clock.offset');
    expect(offsets).toHaveLength(3);
    for (const { value } of offsets) expect(Math.abs(Number(value))).toBeLessThan(0.01);
  });

  it('have none once it is closed', async () => {
    const { world, redlock, settled } = await connected();
    await using bench = new Bench();
    bench.telemetry.observe(redlock);
    await settled(redlock.close(), 1_000);
    expect(await pointsOf(world, bench, 'node.state')).toEqual([]);
  });
});

describe('spans', () => {
  it('are one of the call and one of the hold, both in the context of the caller', async () => {
    const { redlock, settled } = await connected();
    await using bench = new Bench();
    const tracer = bench.tracerProvider.getTracer('test');
    const parent = tracer.startSpan('request');
    const lock = await context.with(trace.setSpan(context.active(), parent), () =>
      settled(redlock.acquire('r')),
    );
    await settled(lock.extend());
    await settled(lock.release());
    parent.end();
    const [acquire, hold] = bench.spans;
    expect(acquire?.name).toBe('quorlock.acquire');
    expect(hold?.name).toBe('quorlock.hold');
    for (const span of [acquire, hold]) {
      expect(span?.parentSpanContext?.spanId).toBe(parent.spanContext().spanId);
      expect(span?.attributes).toMatchObject(EXCLUSIVE);
    }
    expect(acquire?.attributes).toMatchObject({
      'quorlock.outcome': 'granted',
      'quorlock.acquire.attempts': 1,
    });
    expect(hold?.attributes).toMatchObject({
      'quorlock.outcome': 'released',
      'quorlock.lock.token': lock.token,
    });
    expect(hold?.events.map(({ name }) => name)).toEqual(['quorlock.extend']);
  });

  it('have the status of an error where there was one', async () => {
    const { world, redlock, settled } = await connected();
    await using bench = new Bench();
    world.holdElsewhere('lock:s', 60_000);
    await settled(redlock.acquire('s', { waitTime: 0 }).catch(() => undefined));
    await settled(redlock.tryAcquire('s'));
    await settled(redlock.acquire('r', { ttl: 1_000 }), 2_000);
    const told = bench.spans.map(({ name, status, attributes }) => [
      name,
      status.code,
      attributes['quorlock.outcome'],
      attributes['error.type'],
    ]);
    expect(told).toEqual([
      ['quorlock.acquire', 2, 'held', 'QUORLOCK_HELD'],
      ['quorlock.acquire', 0, 'held', undefined],
      ['quorlock.acquire', 0, 'granted', undefined],
      ['quorlock.hold', 2, 'lost', undefined],
    ]);
  });
});

describe('the names of resources', () => {
  it('are told nowhere, nor are lock values', async () => {
    const { world, redlock, settled } = await connected();
    await using bench = new Bench();
    const lock = await settled(redlock.acquire('secret:42', { ttl: 1_000 }));
    await settled(
      redlock.acquire('secret:42', { waitTime: 100 }).catch(() => undefined),
      500,
    );
    for (const server of world.servers) server.crash();
    await settled(
      lock.extend().catch(() => undefined),
      5_000,
    );
    const values = JSON.stringify(await bench.read());
    const spans = JSON.stringify(
      bench.spans.map(({ name, attributes, events, status }) => ({ name, attributes, events, status })),
    );
    expect(bench.spansOf('quorlock.hold')).toHaveLength(1);
    for (const text of [values, spans]) {
      expect(text).toContain('exclusive');
      expect(text).not.toContain('secret');
      expect(text).not.toContain(lock.value);
    }
  });

  it('are what lockName makes of them, on metrics and spans of locks', async () => {
    const { redlock, settled } = await connected();
    const lockName = ([first = '']: readonly string[]) =>
      first === 'other' ? undefined : first.split(':')[0];
    await using bench = new Bench({ lockName });
    for (const resource of ['order:1', 'order:2', 'other']) {
      await settled((await settled(redlock.acquire(resource))).release());
    }
    expect(await bench.points('acquire.duration')).toMatchObject([
      { attributes: { 'quorlock.lock.name': 'order' }, value: { count: 2 } },
      { attributes: EXCLUSIVE, value: { count: 1 } },
    ]);
    const names = bench.spansOf('quorlock.hold').map(({ attributes }) => attributes['quorlock.lock.name']);
    expect(names).toEqual(['order', 'order', undefined]);
  });

  it('are none where lockName throws, which the log of OpenTelemetry has', async () => {
    const { redlock, settled } = await connected();
    const told: unknown[] = [];
    const log = (...args: unknown[]) => void told.push(args.join(' '));
    diag.setLogger({ error: log, warn: log, info: log, debug: log, verbose: log } satisfies DiagLogger);
    try {
      await using bench = new Bench({
        lockName: () => {
          throw new Error('of lockName');
        },
      });
      await settled(redlock.acquire('r'));
      expect(await bench.points('lock.held')).toEqual([{ attributes: EXCLUSIVE, value: 1 }]);
    } finally {
      diag.disable();
    }
    expect(told.join()).toContain('of lockName');
  });
});

describe('an instrumentation', () => {
  it('that is stopped hears nothing, and leaves nothing held or pending', async () => {
    const { redlock, settled } = await connected();
    await using bench = new Bench();
    const lock = await settled(redlock.acquire('r', { ttl: 10_000 }), 5);
    const asked = redlock.acquire('r', { ttl: 10_000 });
    bench.telemetry.stop();
    bench.telemetry.stop();
    expect(await bench.points('lock.held')).toEqual([{ attributes: EXCLUSIVE, value: 0 }]);
    expect(await bench.points('acquire.pending')).toEqual([{ attributes: EXCLUSIVE, value: 0 }]);
    expect(bench.spans.map(({ name }) => name)).toEqual([
      'quorlock.acquire',
      'quorlock.acquire',
      'quorlock.hold',
    ]);
    await settled(lock.release());
    await settled((await asked).release());
    expect(bench.spans).toHaveLength(3);
    expect(await bench.points('lock.held')).toEqual([{ attributes: EXCLUSIVE, value: 0 }]);
  });

  it('that begins while locks are held and asked for leaves those out', async () => {
    const { redlock, settled } = await connected();
    const lock = await settled(redlock.acquire('r', { ttl: 10_000 }), 5);
    const asked = redlock.acquire('r', { ttl: 10_000 });
    await settled(Promise.resolve(), 5);
    await using bench = new Bench();
    await settled(lock.release());
    await settled((await asked).release());
    for (const name of ['lock.held', 'acquire.pending', 'acquire.duration', 'hold.duration']) {
      expect(await bench.points(name), name).toEqual([]);
    }
    expect(bench.spans).toEqual([]);
  });

  it('has the global providers by default', async () => {
    const { redlock, settled } = await connected();
    await using bench = new Bench();
    bench.telemetry.stop();
    trace.setGlobalTracerProvider(bench.tracerProvider);
    metrics.setGlobalMeterProvider(bench.meterProvider);
    try {
      using _ = instrument();
      await settled((await settled(redlock.acquire('r'))).release());
    } finally {
      trace.disable();
      metrics.disable();
    }
    expect(bench.spans.map(({ name }) => name)).toEqual(['quorlock.acquire', 'quorlock.hold']);
    expect(await bench.points('hold.duration')).toHaveLength(1);
  });
});
