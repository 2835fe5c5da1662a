import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runOnFleet } from '../../scripts/faults/fleet/run.ts';
import { replayOf } from '../../scripts/faults/fleet/terms.ts';
import type { Verdict } from '../../scripts/faults/fleet/verdict.ts';
import { describeFailure, describeVerdict } from '../../scripts/faults/fleet/words.ts';
import type { SAFETY } from '../../scripts/faults/scenarios.ts';
import { chooseSeed, seedAfter } from '../../scripts/support/seeds.ts';

/** Runs at the same time. Most of a run is waiting; what is short of processor time only makes locks shorter. */
const LANES = 2;

type Mode = keyof typeof SAFETY;

const MODES: readonly Mode[] = ['inside', 'clocks', 'everything', 'beyond', 'unmarked', 'amnesia'];

/** How many runs of each mode, each with a seed of its own. */
const { QUORLOCK_SAFETY: chosenRuns = '3' } = process.env;

const isLinux = process.platform === 'linux';
/** The nodes' clocks are set wrong by a shim that runs nowhere else. */
const onLinux = describe.skipIf(!isLinux);

const seed = chooseSeed();
const ending = new AbortController();

const runs = MODES.flatMap((scenario) => Array.from({ length: Number(chosenRuns) }, () => scenario)).map(
  (scenario, index) => ({ scenario, seed: seedAfter(seed, index) }),
);

let lanes: readonly Promise<Verdict>[] = [];

beforeAll(() => {
  if (!isLinux) return;
  console.log([`The same seeds again: QUORLOCK_SEED=${seed}`, ...runs.map(replayOf)].join('\n  '));
  // Every run begins when the one `LANES` places before it has ended, be it with an error.
  const begun: Promise<Verdict>[] = [];
  for (const options of runs) {
    const before = begun.at(-LANES)?.catch(() => undefined);
    begun.push(Promise.resolve(before).then(() => runOnFleet(options, ending.signal)));
  }
  lanes = begun;
  for (const lane of lanes) lane.catch(() => undefined);
});

afterAll(async () => {
  ending.abort();
  await Promise.allSettled(lanes);
});

/** A run at its place in the list. Returns how many overlaps it saw. */
async function expectToHold(index: number): Promise<number> {
  const verdict = await lanes[index];
  if (verdict === undefined) throw new Error(`there is no run ${index}`);
  console.log(describeVerdict(verdict));
  expect.soft(verdict.broken, describeFailure(verdict)).toEqual([]);
  return verdict.overlaps.length;
}

const named = (mode: Mode) =>
  runs.flatMap((each, index) => (each.scenario === mode ? [[each.seed, index] as const] : []));

/**
 * The most runs that are added until one has overlaps, each longer than the one before: on a busy machine a run has few locks that
 * could overlap.
 */
const MORE_RUNS = 6;
const FIRST_MORE_MS = 6_000;
const LONGEST_TEST_MS = 900_000;

async function expectOverlapsIn(mode: Mode): Promise<void> {
  let overlaps = 0;
  for (const [, index] of named(mode)) overlaps += await expectToHold(index);
  for (let more = 0; overlaps === 0 && more < MORE_RUNS; more += 1) {
    const durationMs = FIRST_MORE_MS * 1.7 ** more;
    const terms = { scenario: mode, seed: seedAfter(seed, runs.length + more), durationMs };
    overlaps = (await runOnFleet(terms, ending.signal)).overlaps.length;
  }
  expect(overlaps).toBeGreaterThan(0);
}

onLinux(
  'nodes lose their memory, clocks inside the allowance: no overlaps, tokens unique and growing',
  () => {
    test.each(named('inside'))('seed %i', async (_, index) => void (await expectToHold(index)));
  },
);

onLinux('clocks of nodes step by 30 s and run at half or twice the rate: tokens unique and growing', () => {
  test.each(named('clocks'))('seed %i', async (_, index) => void (await expectToHold(index)));
});

onLinux(
  'nodes lose their memory, and clocks are apart by up to the largest ttl: tokens unique and growing',
  () => {
    test.each(named('everything'))('seed %i', async (_, index) => void (await expectToHold(index)));
  },
);

onLinux(
  'nodes lose their memory and clocks go wrong by more, where nothing is promised: locks are granted',
  () => {
    test.each(named('beyond'))('seed %i', async (_, index) => void (await expectToHold(index)));
  },
);

onLinux('outside of what is promised the same test finds overlaps', () => {
  test("quarantine: 'off', a majority loses its memory", () => expectOverlapsIn('unmarked'), LONGEST_TEST_MS);

  test(
    "quarantine: 'auto', all nodes lose their memory at once",
    () => expectOverlapsIn('amnesia'),
    LONGEST_TEST_MS,
  );
});
