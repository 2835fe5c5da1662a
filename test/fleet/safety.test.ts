import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run, STAFF_SIZE } from '../../scripts/soak/run.ts';
import { Staff } from '../../scripts/soak/staff.ts';
import { describeTerms, drawTerms, type Mode, type Terms } from '../../scripts/soak/terms.ts';
import { describeFailure, describeVerdict, type Verdict } from '../../scripts/soak/verdict.ts';
import { chooseSeed, seedAfter } from '../../scripts/support/seeds.ts';

/** Runs at the same time. Most of a run is waiting; what is short of processor time only makes locks shorter. */
const LANES = 2;

const MODES: readonly Mode[] = ['inside', 'clocks', 'everything', 'beyond', 'unmarked', 'amnesia'];

/** How many runs of each mode, each with a seed of its own. */
const { QUORLOCK_SAFETY: runs = '3' } = process.env;

const isLinux = process.platform === 'linux';
/** The nodes' clocks are set wrong by a shim that runs nowhere else. */
const onLinux = describe.skipIf(!isLinux);

const seed = chooseSeed();
const ending = new AbortController();
const verdicts = new Map<Terms, Promise<Verdict>>();

let seedsUsed = 0;
const terms = MODES.flatMap((mode) =>
  Array.from({ length: Number(runs) }, () => drawTerms(mode, seedAfter(seed, seedsUsed++))),
);

let lanes: readonly Promise<void>[] = [];

beforeAll(() => {
  if (!isLinux) return;
  console.log(
    [`The same seeds again: QUORLOCK_SEED=${seed}`, ...terms.map((each) => `  ${describeTerms(each)}`)].join(
      '\n',
    ),
  );
  const results = terms.map((each) => {
    const { promise, resolve, reject } = deferred<Verdict>();
    verdicts.set(each, promise);
    // Its own test hears of it.
    promise.catch(() => undefined);
    return { each, resolve, reject };
  });
  lanes = Array.from({ length: LANES }, async () => {
    await using staff = await Staff.hire(STAFF_SIZE);
    for (let next = results.shift(); next !== undefined && !ending.signal.aborted; next = results.shift()) {
      await run(next.each, staff, ending.signal).then(next.resolve, next.reject);
    }
  });
  for (const lane of lanes) {
    lane.catch((error: unknown) => {
      for (const { reject } of results.splice(0)) reject(error);
    });
  }
});

afterAll(async () => {
  ending.abort();
  await Promise.allSettled(lanes);
});

async function verdictOn(each: Terms): Promise<Verdict> {
  const verdict = await verdicts.get(each);
  if (verdict === undefined) throw new Error(`there is no run of ${describeTerms(each)}`);
  console.log(describeVerdict(verdict));
  return verdict;
}

const named = (mode: Mode) =>
  terms.filter((each) => each.mode === mode).map((each) => [each.seed, each] as const);

async function expectToHold(each: Terms): Promise<void> {
  const verdict = await verdictOn(each);
  expect.soft(verdict.broken, describeFailure(verdict)).toEqual([]);
}

async function expectOverlapsAmong(runs: readonly Terms[]): Promise<void> {
  let overlaps = 0;
  for (const each of runs) {
    const verdict = await verdictOn(each);
    expect.soft(verdict.broken, describeFailure(verdict)).toEqual([]);
    overlaps += verdict.overlaps;
  }
  expect(overlaps).toBeGreaterThan(0);
}

onLinux(
  'nodes lose their memory, clocks inside the allowance: no overlaps, tokens unique and growing',
  () => {
    test.each(named('inside'))('seed %i', (_, each) => expectToHold(each));
  },
);

onLinux('clocks of nodes step by 30 s and run at half or twice the rate: tokens unique and growing', () => {
  test.each(named('clocks'))('seed %i', (_, each) => expectToHold(each));
});

onLinux(
  'nodes lose their memory, and clocks are apart by up to the largest ttl: tokens unique and growing',
  () => {
    test.each(named('everything'))('seed %i', (_, each) => expectToHold(each));
  },
);

onLinux(
  'nodes lose their memory and clocks go wrong by more, where nothing is promised: locks are granted',
  () => {
    test.each(named('beyond'))('seed %i', (_, each) => expectToHold(each));
  },
);

onLinux('outside of what is promised the same test finds overlaps', () => {
  test("quarantine: 'off', a majority loses its memory", () =>
    expectOverlapsAmong(terms.filter(({ mode }) => mode === 'unmarked')));

  test("quarantine: 'auto', all nodes lose their memory at once", () =>
    expectOverlapsAmong(terms.filter(({ mode }) => mode === 'amnesia')));
});

function deferred<Value>(): {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
} {
  let resolve: (value: Value) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<Value>((accept, refuse) => {
    resolve = accept;
    reject = refuse;
  });
  return { promise, resolve, reject };
}
