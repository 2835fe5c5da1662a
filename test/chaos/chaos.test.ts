import { afterAll, describe, expect, test } from 'vitest';
import { runOnFleet } from '../../scripts/faults/fleet/run.ts';
import { type RunOptions, replayOf } from '../../scripts/faults/fleet/terms.ts';
import type { Verdict } from '../../scripts/faults/fleet/verdict.ts';
import { describeFailure, describeVerdict } from '../../scripts/faults/fleet/words.ts';
import { chooseSeed, seedAfter } from '../../scripts/support/seeds.ts';

const seed = chooseSeed();
const ending = new AbortController();
afterAll(() => ending.abort());

let seedsUsed = 0;

/** One run; every promise of its scenario is expected to hold. */
async function holds(scenario: string, durationMs?: number): Promise<Verdict> {
  const options: RunOptions = { scenario, seed: seedAfter(seed, seedsUsed++), durationMs };
  console.log(replayOf(options));
  const verdict = await runOnFleet(options, ending.signal);
  console.log(describeVerdict(verdict));
  expect(verdict.broken, describeFailure(verdict)).toEqual([]);
  return verdict;
}

describe('a fleet of five masters, and processes that read, check and write', () => {
  test('faults inside of the assumptions, at random: no overlaps, no lost updates, recovery in time', async () => {
    const verdict = await holds('random', 30_000);
    expect(verdict.findings.incidents.length).toBeGreaterThan(10);
  });

  test('any two of five nodes down: every attempt is answered', async () => {
    const { availability, acquisitions } = await holds('two-down');
    expect(availability.failures).toEqual([]);
    expect(acquisitions).toBeGreaterThan(50);
  });

  test('a majority stands still again and again, and connections are reset: a caller that waits for 2 s gets a lock', async () => {
    const { waits, outages } = await holds('stall');
    expect(waits.disappointed).toEqual([]);
    expect(waits.patient).toBeGreaterThan(20);
    expect(outages.length).toBeGreaterThan(5);
  });

  test('holders stopped right before a write: the guard loses nothing, and without it updates are lost', async () => {
    const { guarded, unguarded } = await holds('pause-holder');
    expect(guarded.lost).toBe(0);
    expect(guarded.refused).toBeGreaterThan(0);
    expect(unguarded.lost).toBeGreaterThan(0);
  });

  test.skipIf(process.platform !== 'linux')(
    'clocks of a majority leap, beyond what is allowed: tokens grow all the same, and the guard loses nothing',
    async () => {
      const { tokenFaults, guarded } = await holds('clock-leap');
      expect([tokenFaults.length, guarded.lost]).toEqual([0, 0]);
    },
  );

  test('everything, clocks too, beyond the assumptions: locks are granted, given back, and nothing is left over', async () => {
    const { acquisitions, leftovers } = await holds('storm', 12_000);
    expect(acquisitions).toBeGreaterThan(20);
    expect(leftovers).toEqual([]);
  });
});
