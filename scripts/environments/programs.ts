/** What a program prints when all went well. */
export const HOLDS = 'held and refused';

/**
 * What every program does: a lock, a refusal, a stale token and a simulation, each told by its class and its name. It
 * hears on a channel that it had the lock.
 */
const CHECK = `
async function check({ Redlock, LockHeldError }, { memoryRegister, StaleTokenError }, { Simulation }, resource) {
  const nodes = process.env.QUORLOCK_NODES.split(' ');
  const options = { nodeTimeout: 2_000, connectTimeout: 20_000 };
  const redlocks = [new Redlock(nodes, options), new Redlock(nodes, options)];
  const heard = [];
  process.getBuiltinModule('node:diagnostics_channel')
    .subscribe('tracing:quorlock:acquire:asyncEnd', ({ resources, granted }) => heard.push(\`\${resources} \${granted}\`));
  try {
    const lock = await redlocks[0].acquire(resource, { waitTime: 20_000 });
    const held = await redlocks[1].acquire(resource, { waitTime: 0 }).catch((error) => error);
    if (!(held instanceof LockHeldError) || held.name !== 'LockHeldError') throw held;
    lock.assertHeld();
    await lock.release();
    if (!heard.includes(\`\${resource} true\`)) throw new Error('nothing was heard of the lock');
    const register = memoryRegister();
    await register.register('a', 2);
    const stale = await register.register('a', 1).catch((error) => error);
    if (!(stale instanceof StaleTokenError) || stale.name !== 'StaleTokenError') throw stale;
    const simulation = new Simulation();
    await simulation.until(simulation.machine().redlock().acquire(resource));
  } finally {
    await Promise.all(redlocks.map((redlock) => redlock.close()));
  }
  return '${HOLDS}';
}`;

const IMPORTED = `
import * as quorlock from 'quorlock';
import * as fencing from 'quorlock/fencing';
import * as testing from 'quorlock/testing';`;

const REQUIRED = `
const quorlock = require('quorlock');
const fencing = require('quorlock/fencing');
const testing = require('quorlock/testing');`;

const MAIN = `
check(quorlock, fencing, testing, 'a program').then(console.log, (error) => {
  console.error(error);
  process.exitCode = 1;
});`;

const TEST = `
test('locks', async () => {
  expect(await check(quorlock, fencing, testing, 'a test')).toBe('${HOLDS}');
}, 60_000);`;

/** Programs that print \`HOLDS\`, and tests that pass. */
export const MODULE = `${IMPORTED}${CHECK}${MAIN}`;
export const SCRIPT = `${REQUIRED}${CHECK}${MAIN}`;
export const JEST_TEST = `${REQUIRED}${CHECK}${TEST}`;
export const VITEST_TEST = `import { expect, test } from 'vitest';${IMPORTED}${CHECK}${TEST}`;

/** One that imports and requires, and checks what is of one across what is of the other. */
export const BOTH = `
import { createRequire } from 'node:module';${IMPORTED}${CHECK}
const require = createRequire(import.meta.url);
check({ ...quorlock, Redlock: require('quorlock').Redlock }, { ...require('quorlock/fencing'), StaleTokenError: fencing.StaleTokenError }, testing, 'both')
  .then(console.log, (error) => { console.error(error); process.exitCode = 1; });`;

const MEASURE = `
async function main() {
  const reader = new sdk.PeriodicExportingMetricReader({ exporter: new sdk.InMemoryMetricExporter(1) });
  const telemetry = otel.instrument({ meterProvider: new sdk.MeterProvider({ readers: [reader] }) });
  const simulation = new Simulation();
  await simulation.until(simulation.machine().redlock().acquire('a'));
  const { resourceMetrics } = await reader.collect();
  telemetry.stop();
  await reader.shutdown();
  const names = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics.map(({ descriptor }) => descriptor.name));
  if (!names.includes('quorlock.lock.held')) throw new Error(names.join());
  console.log('${HOLDS}');
}
main();`;

/** Programs that measure a lock. */
export const TELEMETRY = {
  'telemetry.mjs': `
import * as sdk from '@opentelemetry/sdk-metrics';
import * as otel from 'quorlock/otel';
import { Simulation } from 'quorlock/testing';${MEASURE}`,
  'telemetry.cjs': `
const sdk = require('@opentelemetry/sdk-metrics');
const otel = require('quorlock/otel');
const { Simulation } = require('quorlock/testing');${MEASURE}`,
};

/** What a program of node-redlock does: a lock that is extended, another process that is refused, and a routine. */
const FACE_CHECK = `
async function check({ default: Redlock, ExecutionError, ResourceLockedError }, { Redis }, resource) {
  const clients = () => process.env.QUORLOCK_NODES.split(' ').map((url) => new Redis(url));
  const redlocks = [new Redlock(clients()), new Redlock(clients(), { retryCount: 0 })];
  try {
    let lock = await redlocks[0].acquire([resource], 20_000);
    lock = await lock.extend(20_000);
    const held = await redlocks[1].acquire([resource], 20_000).catch((error) => error);
    if (!(held instanceof ExecutionError) || held.name !== 'ExecutionError') throw held;
    const [stats] = await Promise.all(held.attempts);
    if (![...stats.votesAgainst.values()].some((error) => error instanceof ResourceLockedError)) throw held;
    await lock.release();
    return await redlocks[0].using([resource], 20_000, async (signal) => (signal.aborted ? 'aborted' : '${HOLDS}'));
  } finally {
    await Promise.all(redlocks.map((redlock) => redlock.quit()));
  }
}`;

const FACE_IMPORTED = `
import * as redlock from 'quorlock/redlock';
import * as ioredis from 'ioredis';`;

const FACE_REQUIRED = `
const redlock = require('quorlock/redlock');
const ioredis = require('ioredis');`;

const FACE_MAIN = `
check(redlock, ioredis, 'a program').then(console.log, (error) => {
  console.error(error);
  process.exitCode = 1;
});`;

export const FACE_MODULE = `${FACE_IMPORTED}${FACE_CHECK}${FACE_MAIN}`;
export const FACE_SCRIPT = `${FACE_REQUIRED}${FACE_CHECK}${FACE_MAIN}`;
export const FACE_JEST_TEST = `${FACE_REQUIRED}${FACE_CHECK}
test('locks', async () => {
  expect(await check(redlock, ioredis, 'a test')).toBe('${HOLDS}');
}, 60_000);`;

export const FACE_TYPED = `
import Redlock, { ExecutionError, type Lock, type RedlockAbortSignal } from 'quorlock/redlock';

const redlock: Redlock = new Redlock(['redis://127.0.0.1:1'], { retryCount: 1 });

export async function work(resource: string): Promise<number> {
  const lock: Lock = await redlock.acquire([resource], 5_000);
  const extended: Lock = await lock.extend(5_000);
  await extended.release();
  return await redlock.using([resource], 5_000, async (signal: RedlockAbortSignal) => (signal.aborted ? 0 : 1));
}

export function attemptsOf(error: unknown): number {
  return error instanceof ExecutionError ? error.attempts.length : 0;
}

// @ts-expect-error resources are a list
redlock.acquire('a', 5_000).catch(() => undefined);
`;

/** A consumer whose types are checked. */
export const TYPED = `
import { type Lock, LockHeldError, type NodeVote, Redlock, type RedlockOptions } from 'quorlock';
import { fencingHeaders, memoryRegister, type TokenRegister } from 'quorlock/fencing';
import { Simulation } from 'quorlock/testing';

const options: RedlockOptions = { ttl: 1_000, onWarning: ({ code }) => console.log(code) };
const redlock: Redlock = new Redlock(['redis://127.0.0.1:1'], options);
const simulated: Redlock = new Simulation({ seed: 1 }).machine().redlock();
const register: TokenRegister = memoryRegister();

export async function work(resource: string): Promise<Record<string, string>> {
  const lock: Lock = await redlock.acquire(resource, { waitTime: 100 });
  await register.register(resource, lock.token);
  const token: number = await simulated.using(resource, {}, async (held) => held.token + (await lock.extend(500)).remainingValidity());
  await lock.release();
  return { ...fencingHeaders(lock), token: String(token) };
}

export function votesOf(error: unknown): readonly NodeVote[] {
  return error instanceof LockHeldError ? error.votes : [];
}

// @ts-expect-error a resource is a string
redlock.acquire(1).catch(() => undefined);
// @ts-expect-error there is no such option
redlock.acquire('a', { retryCount: 1 }).catch(() => undefined);
`;

/** A NestJS module that provides a Redlock, a service that has it injected, and the test of the service. */
export const NEST = {
  'src/app.module.ts': `
import { Module } from '@nestjs/common';
import { Redlock } from 'quorlock';
import { AppService } from './app.service';

@Module({
  providers: [
    AppService,
    {
      provide: Redlock,
      useFactory: () => new Redlock(process.env.QUORLOCK_NODES!.split(' '), { nodeTimeout: 2_000, connectTimeout: 20_000 }),
    },
  ],
})
export class AppModule {}`,
  'src/app.service.ts': `
import { Injectable, OnModuleDestroy } from '@nestjs/common';
import { LockHeldError, Redlock } from 'quorlock';
import { fencingHeaders } from 'quorlock/fencing';

@Injectable()
export class AppService implements OnModuleDestroy {
  constructor(private readonly redlock: Redlock) {}

  async work(resource: string): Promise<string> {
    return this.redlock.using(resource, async (lock) => {
      try {
        await this.redlock.acquire(resource, { waitTime: 0 });
        return 'nothing';
      } catch (error) {
        return error instanceof LockHeldError && 'Fencing-Token' in fencingHeaders(lock) ? '${HOLDS}' : String(error);
      }
    });
  }

  async onModuleDestroy() {
    await this.redlock.close();
  }
}`,
  'src/app.service.spec.ts': `
import { Test, TestingModule } from '@nestjs/testing';
import { Simulation } from 'quorlock/testing';
import { AppModule } from './app.module';
import { AppService } from './app.service';

describe('AppService', () => {
  let app: TestingModule;
  beforeEach(async () => {
    app = await Test.createTestingModule({ imports: [AppModule] }).compile();
    await app.init();
  });
  afterEach(() => app.close());

  it('works under a lock', async () => {
    expect(await app.get(AppService).work('a service')).toBe('${HOLDS}');
  }, 60_000);

  it('is simulated', async () => {
    const simulation = new Simulation();
    const lock = await simulation.until(simulation.machine().redlock().acquire('a'));
    expect(lock.token).toBeGreaterThan(0);
  });
});`,
};
