import { beforeAll, describe, expect, test } from 'vitest';
import type { Losses } from '../../scripts/faults/simulator/amnesia.ts';
import { drawLosses } from '../../scripts/faults/simulator/mix.ts';
import { type Findings, run } from '../../scripts/faults/simulator/run.ts';
import { checksOf, describeFailure, violationsOf } from '../../scripts/faults/simulator/verdict.ts';
import { chooseSeed, seedAfter } from '../../scripts/support/seeds.ts';
import type { Quarantine } from '../../src/index.ts';
import { isShort } from '../support/tier.ts';

/**
 * Nodes lose their memory while programs lock, all of it simulated: the library itself runs unchanged on virtual time.
 *
 * - `strict` lets no two holders overlap, whatever is lost.
 * - `auto` is as safe, as long as there is always a node with a marker; see {@link Losses}. It does not matter how many
 *   lose their memory, nor how fast, nor whether the node that remembers can be reached.
 * - `auto` does let holders overlap where all nodes lose their memory at once, and the test sees it. It sees it with
 *   `off` too. Or it would see nothing elsewhere.
 *
 * And when the faults are over, nodes grant locks again as soon as the quarantine is.
 */
const LONGEST_TEST_MS = 1_800_000;

const seed = chooseSeed();

beforeAll(() => {
  console.log(`The same seeds again: QUORLOCK_SEED=${seed}`);
});

describe('nodes lose their memory one by one', () => {
  test.each([
    ['strict', isShort ? 20 : 40],
    ['auto', isShort ? 30 : 60],
  ] as const)(
    "quarantine: '%s' lets no holders overlap",
    { timeout: LONGEST_TEST_MS },
    async (quarantine, runs) => expectToHold(await findings(quarantine, 'one by one', runsOr(runs))),
  );

  test("quarantine: 'off' lets holders overlap", { timeout: LONGEST_TEST_MS }, async () => {
    expectOverlaps(await findings('off', 'one by one', runsOr(30), hasOverlap));
  });
});

describe('all nodes lose their memory at once', () => {
  test("quarantine: 'auto' lets holders overlap, and 'strict' never with the same seeds", {
    timeout: LONGEST_TEST_MS,
  }, async () => {
    expectToHold(await findings('strict', 'all at once', runsOr(isShort ? 12 : 25)));
    expectOverlaps(await findings('auto', 'all at once', runsOr(25), hasOverlap));
  });
});

test.each([
  // A quarantine that does not see that its node forgot once more ends too soon, and this finds two holders.
  ['one by one', 'auto', 1_099],
  // Commands that were doubled kept a program's own lock taken for as long as it tried again at once.
  ['all at once', 'strict', 126_880_237],
] as const)(
  'what was found once is not found again: %s, quarantine %s, seed %i',
  async (losses, quarantine, found) => {
    expectToHold([await run(drawLosses(losses, quarantine, found))]);
  },
);

/** Runs one seed after the other, until their number is reached, or one that shows what is looked for. */
async function findings(
  quarantine: Quarantine,
  losses: Losses,
  runs: number,
  isEnough: (found: Findings) => boolean = () => false,
): Promise<readonly Findings[]> {
  const all: Findings[] = [];
  while (all.length < runs) {
    const found = await run(drawLosses(losses, quarantine, seedAfter(seed, all.length)));
    all.push(found);
    if (isEnough(found)) break;
  }
  const sum = (of: (each: Findings) => number) => all.reduce((total, each) => total + of(each), 0);
  console.log(
    `${losses}, quarantine '${quarantine}': ${all.length} runs, ${sum(({ locks }) => locks)} locks, ` +
      `${sum((each) => each.losses)} losses of memory; runs with overlaps of holders that acted ` +
      `${all.filter(hasOverlap).length}`,
  );
  return all;
}

/** Holders that acted at the same time. */
function hasOverlap(found: Findings): boolean {
  return checksOf(found).overlaps.length > 0;
}

function expectToHold(all: readonly Findings[]): void {
  expect(all.some(({ locks }) => locks > 0)).toBe(true);
  const failed = all.filter((found) => violationsOf(found).length > 0);
  const stories = failed.slice(0, 2).map((found) => describeFailure(found, violationsOf(found)));
  const seeds = failed.map(({ mix }) => mix.seed).join(', ');
  expect(failed.length, `${failed.length} of ${all.length} runs, seeds ${seeds}\n${stories.join('\n')}`).toBe(
    0,
  );
}

function expectOverlaps(all: readonly Findings[]): void {
  const found = all.filter(hasOverlap);
  expect(found.length, `${all.length} runs from QUORLOCK_SEED=${seed} found no overlap`).toBeGreaterThan(0);
}

/** How many runs a test has, unless the environment says otherwise. */
function runsOr(byDefault: number): number {
  const { QUORLOCK_RUNS: chosen = '' } = process.env;
  if (chosen === '') return byDefault;
  const runs = Number(chosen);
  if (!Number.isInteger(runs) || runs < 1) {
    throw new RangeError(`QUORLOCK_RUNS must be a positive integer: got "${chosen}"`);
  }
  return runs;
}
