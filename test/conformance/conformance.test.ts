import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findServerBinaries, nameServer } from '../../scripts/fleet/binary.ts';
import { type Difference, differenceIn, firstDifference } from './comparison.ts';
import { sequences } from './steps.ts';
import { RealSubject } from './subject.ts';

const {
  QUORLOCK_CONFORMANCE_RUNS: runs = '10000',
  QUORLOCK_CONFORMANCE_SEED: seed = String(randomInt(2 ** 31)),
  QUORLOCK_CONFORMANCE_PATH: path,
} = process.env;

/** Servers of a kind that work at once. Each is mostly waited for. */
const LANES = 4;

const servers = findServerBinaries().map((binary) => [nameServer(binary), binary] as const);

describe.each(servers)('a simulated server and %s', (name, binary) => {
  let lanes: readonly RealSubject[] = [];
  let real: RealSubject;

  beforeAll(async () => {
    vi.stubEnv('QUORLOCK_REDIS_SERVER', binary);
    real = await RealSubject.start(name);
    lanes = [real, ...(await Promise.all(Array.from({ length: LANES - 1 }, () => RealSubject.start(name))))];
  });

  afterAll(async () => {
    vi.unstubAllEnvs();
    await Promise.all(lanes.map((lane) => lane[Symbol.asyncDispose]()));
  });

  it('show the same time to the microsecond, which stands still', async () => {
    const before = real.timeUs;
    const timeOf = (us: number) => [{ reply: [String(Math.floor(us / 1e6)), String(us % 1e6)] }];
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await real.run(0, [['TIME']])).toEqual(timeOf(before));
    expect(await real.run(1_234, [['TIME']])).toEqual(timeOf(before + 1_234_000));
    expect(real.timeUs).toBe(before + 1_234_000);
  });

  it(`answer ${runs} random sequences alike, and keep the same keys`, { timeout: 0 }, async () => {
    const chance = { numRuns: Number(runs), seed: Number(seed) };
    console.log(`${runs} sequences from seed ${seed}`);
    const found = path === undefined ? await firstDifference(fc.sample(sequences, chance), lanes) : undefined;
    const start = path ?? found?.index.toString();
    if (start === undefined) return;
    // That one again, by itself, for fast-check to make it shorter.
    const property = fc.asyncProperty(sequences, async (steps) =>
      expectNone(await differenceIn(steps, real)),
    );
    const details = await fc.check(property, { ...chance, path: start });
    if (details.failed) {
      const replay =
        `QUORLOCK_REDIS_SERVER=${binary} QUORLOCK_CONFORMANCE_SEED=${seed} ` +
        `QUORLOCK_CONFORMANCE_PATH=${details.counterexamplePath} npm run test:conformance`;
      const report = await fc.asyncDefaultReportMessage(details);
      throw new Error(`${report}\nThe same again: ${replay}`, { cause: details.errorInstance });
    }
    expectNone(found?.difference, `sequence ${start}, which was answered alike the second time`);
  });
});

function expectNone(difference: Difference | undefined, message?: string): void {
  expect(difference?.actual, message).toStrictEqual(difference?.expected);
}
