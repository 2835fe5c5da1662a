import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runOnModel } from './run.ts';
import { sequences } from './steps.ts';
import { RealSubject } from './subject.ts';

const { QUORLOCK_CONFORMANCE_RUNS: runs = '2000', QUORLOCK_CONFORMANCE_SEED: seed } = process.env;

let real: RealSubject;

beforeAll(async () => {
  real = await RealSubject.start();
});

afterAll(async () => {
  await real[Symbol.asyncDispose]();
});

describe('a simulated server and a real one', () => {
  it('show the same time to the microsecond, which stands still', async () => {
    const before = real.timeUs;
    const timeOf = (us: number) => [{ reply: [String(Math.floor(us / 1e6)), String(us % 1e6)] }];
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await real.run(0, [['TIME']])).toEqual(timeOf(before));
    expect(await real.run(1_234, [['TIME']])).toEqual(timeOf(before + 1_234_000));
    expect(real.timeUs).toBe(before + 1_234_000);
  });

  it(`answer ${runs} random sequences alike, and keep the same keys`, { timeout: 0 }, async () => {
    await fc.assert(
      fc.asyncProperty(sequences, async (steps) => {
        for (const stretch of runOnModel(steps, real.runId, real.timeUs)) {
          const answers = await real.run(
            stretch.passMs,
            stretch.exchanges.flatMap(({ commands }) => commands),
          );
          let answered = 0;
          for (const { step, commands, answers: expected } of stretch.exchanges) {
            const actual = answers.slice(answered, answered + commands.length);
            answered += commands.length;
            expect({ step, answers: actual }).toEqual({ step, answers: expected });
          }
        }
      }),
      { numRuns: Number(runs), ...(seed === undefined ? {} : { seed: Number(seed) }) },
    );
  });
});
