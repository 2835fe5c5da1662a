import { beforeAll, describe, expect, test } from 'vitest';
import { chooseSeed, seedAfter } from '../../scripts/support/seeds.ts';
import type { Quarantine } from '../../src/index.ts';
import { run } from './run.ts';
import { drawTerms, type Losses } from './terms.ts';
import { brokenPromises, describeVerdict, judge, Totals, type Verdict } from './verdict.ts';

/**
 * Nodes lose their memory while programs lock, all of it simulated: the library itself runs unchanged on virtual time.
 *
 * - `strict` lets no two holders overlap, whatever is lost.
 * - `auto` is as safe, as long as there is always a node with a marker; see {@link Losses}. It does not matter how many
 *   lose their memory, nor how fast, nor whether the node that remembers can be reached.
 * - `auto` does let holders overlap where all nodes lose their memory at once, and the test sees it. It sees it with
 *   `off` too. Or it would see nothing elsewhere.
 *
 * And when the faults are over, locks are to be had again as soon as the quarantine is.
 */
const LONGEST_TEST_MS = 1_800_000;

const seed = chooseSeed();

beforeAll(() => {
  console.log(`The same seeds again: QUORLOCK_SEED=${seed}`);
});

describe('nodes lose their memory one by one', () => {
  test.each([
    ['strict', 40],
    ['auto', 60],
  ] as const)(
    "quarantine: '%s' lets no holders overlap",
    { timeout: LONGEST_TEST_MS },
    async (quarantine, runs) => {
      const all = await verdicts(quarantine, 'one by one', runsOr(runs));
      expectToHold(all);
    },
  );

  test("quarantine: 'off' lets holders overlap", { timeout: LONGEST_TEST_MS }, async () => {
    expectOverlaps(await verdicts('off', 'one by one', runsOr(30), hasOverlap));
  });
});

describe('all nodes lose their memory at once', () => {
  test("quarantine: 'auto' lets holders overlap, and 'strict' never with the same seeds", {
    timeout: LONGEST_TEST_MS,
  }, async () => {
    expectToHold(await verdicts('strict', 'all at once', runsOr(25)));
    expectOverlaps(await verdicts('auto', 'all at once', runsOr(25)));
  });
});

describe('seeds that found something', () => {
  test.each([
    // A auto-extension whose time to give up came a fraction early set itself the same time again, for ever.
    ['one by one', 'strict', 3_045_237_981],
    // A node that was emptied once more in its quarantine was seen to be only at its end.
    ['all at once', 'strict', 2_563_758_373],
    // A node that was emptied in its quarantine, and seen only because another one was, went on with the old one.
    ['one by one', 'auto', 1_150_129_844],
  ] as const)("%s, quarantine '%s', %i", { timeout: LONGEST_TEST_MS }, async (losses, quarantine, found) => {
    expectToHold([judge(await run(drawTerms(losses, found), quarantine))]);
  });
});

/** Runs one seed after the other, until there were so many, or one that shows what is looked for. */
async function verdicts(
  quarantine: Quarantine,
  losses: Losses,
  runs: number,
  isEnough: (verdict: Verdict) => boolean = () => false,
): Promise<readonly Verdict[]> {
  const all: Verdict[] = [];
  const totals = new Totals();
  while (all.length < runs) {
    const verdict = judge(await run(drawTerms(losses, seedAfter(seed, all.length)), quarantine));
    all.push(verdict);
    totals.add(verdict);
    if (isEnough(verdict)) break;
  }
  console.log(`${losses}, quarantine '${quarantine}': ${totals}`);
  return all;
}

function hasOverlap({ overlaps }: Verdict): boolean {
  return overlaps.length > 0;
}

function expectToHold(all: readonly Verdict[]): void {
  const failed = all.filter((verdict) => brokenPromises(verdict).length > 0);
  const stories = failed
    .slice(0, 2)
    .map(
      (verdict) => `${brokenPromises(verdict).join('; ')}\n${replayOf(verdict)}\n${describeVerdict(verdict)}`,
    );
  const seeds = failed.map(({ findings }) => findings.terms.seed).join(', ');
  expect(failed.length, `${failed.length} of ${all.length} runs, seeds ${seeds}\n${stories.join('\n')}`).toBe(
    0,
  );
}

function expectOverlaps(all: readonly Verdict[]): void {
  const found = all.filter(hasOverlap);
  expect(found.length, `${all.length} runs from QUORLOCK_SEED=${seed} found no overlap`).toBeGreaterThan(0);
}

/** The one command that does a run again, as the first one of every test. */
function replayOf({ findings }: Verdict): string {
  return (
    'The same again, as the first run of the test: ' +
    `QUORLOCK_SEED=${findings.terms.seed} QUORLOCK_RUNS=1 npx vitest run --project simulation`
  );
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
