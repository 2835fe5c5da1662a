import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { planOf, termsOf } from '../../../scripts/faults/fleet/terms.ts';
import {
  type Ability,
  amnesiaMs,
  type Fault,
  impairs,
  isNodeFault,
  losesMemory,
  NODE_FAULTS,
  type Terms,
} from '../../../scripts/faults/plan.ts';
import { farthestPromised, SAFETY, SCENARIOS } from '../../../scripts/faults/scenarios.ts';

const ALL: ReadonlySet<Ability> = new Set(['disk', 'clock', 'spare', 'network', 'host']);
const NONE: ReadonlySet<Ability> = new Set();
const SEEDS = [1, 2, 3, 4_000_000_000];

const names = Object.keys(SCENARIOS);
const plans = names.flatMap((scenario) => SEEDS.map((seed) => ({ scenario, seed })));

describe('the faults of a run', () => {
  it.each(plans)('are the same for the same seed: $scenario, $seed', (options) => {
    expect(planOf(options, ALL)).toEqual(planOf(options, ALL));
  });

  it.each(names.filter((name) => name !== 'calm'))('are there, and in order of time: %s', (scenario) => {
    const plan = planOf({ scenario, seed: 1 }, ALL);
    expect(plan.length).toBeGreaterThan(0);
    expect(plan).toEqual(plan.toSorted((a, b) => a.atMs - b.atMs));
  });

  it.each(plans)('ask of a fleet no more than it is able to: $scenario, $seed', (options) => {
    for (const fault of planOf(options, NONE).filter(isNodeFault))
      expect(NODE_FAULTS[fault.kind]).toEqual([]);
  });

  it('are different for different seeds', () => {
    expect(planOf({ scenario: 'random', seed: 1 }, ALL)).not.toEqual(
      planOf({ scenario: 'random', seed: 2 }, ALL),
    );
  });

  it.each(plans.filter(({ scenario }) => SCENARIOS[scenario]?.promises.availability))(
    'leave a majority where every attempt is to be answered: $scenario, $seed',
    (options) => {
      const impairing = planOf(options, ALL)
        .filter(isNodeFault)
        .filter((fault) => impairs(fault, termsOf(options).nodeTimeout));
      for (const { atMs } of impairing) {
        const out = impairing.filter((each) => each.atMs <= atMs && each.atMs + each.forMs >= atMs);
        expect(new Set(out.flatMap(({ nodes }) => nodes)).size).toBeLessThanOrEqual(
          Math.floor(termsOf(options).nodes / 2),
        );
      }
    },
  );

  it.each(plans.filter(({ scenario }) => SCENARIOS[scenario]?.promises.exclusion && scenario !== 'inside'))(
    'never take the last memory where locks are to exclude: $scenario, $seed',
    (options) => {
      const forgetting = planOf(options, ALL)
        .filter(isNodeFault)
        .filter(({ kind }) => losesMemory(kind) && kind !== 'kill');
      for (const { atMs } of forgetting) {
        const out = forgetting.filter((each) => each.atMs <= atMs && each.atMs + each.forMs + 3_000 >= atMs);
        expect(new Set(out.flatMap(({ nodes }) => nodes)).size).toBeLessThan(termsOf(options).nodes);
      }
    },
  );
});

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });

function forEverySeed(modes: readonly string[], check: (terms: Terms, plan: readonly Fault[]) => void): void {
  fc.assert(
    fc.property(fc.constantFrom(...modes), seeds, (scenario, seed) => {
      const options = { scenario, seed };
      check(termsOf(options), planOf(options, ALL));
    }),
    { numRuns: 500 },
  );
}

function lossesIn(plan: readonly Fault[]) {
  return plan.filter(isNodeFault).filter((fault) => fault.kind === 'flush' || fault.kind === 'kill empty');
}

describe('a plan of the short runs', () => {
  test('has faults, in order of time, and leaves the end of the run to what they led to', () => {
    forEverySeed(Object.keys(SAFETY), ({ durationMs }, plan) => {
      const times = plan.map(({ atMs }) => atMs);
      expect(times.length).toBeGreaterThan(0);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(Math.max(...times)).toBeLessThan(durationMs - 1_000);
    });
  });

  test('names nodes that there are, each once', () => {
    forEverySeed(Object.keys(SAFETY), (terms, plan) => {
      for (const fault of plan.filter(isNodeFault)) {
        expect(new Set(fault.nodes).size).toBe(fault.nodes.length);
        expect(fault.nodes.every((node) => node >= 0 && node < terms.nodes)).toBe(true);
      }
    });
  });

  test('never has all nodes forget within one quarantine where that is not covered', () => {
    forEverySeed(['inside', 'everything', 'beyond'], (terms, plan) => {
      if (terms.quarantine === 'strict') return;
      for (const { atMs } of lossesIn(plan)) {
        const forgetful = lossesIn(plan)
          .filter((loss) => loss.atMs >= atMs && loss.atMs <= atMs + amnesiaMs(terms))
          .flatMap(({ nodes }) => nodes);
        expect(new Set(forgetful).size).toBeLessThan(terms.nodes);
      }
    });
  });

  test('loses no memory and no clock where those are promised to be kept', () => {
    forEverySeed(['clocks'], (_, plan) => expect(lossesIn(plan)).toEqual([]));
    forEverySeed(['inside'], (_, plan) => {
      expect(plan.filter(({ kind }) => kind === 'set clock' || kind === 'rate')).toEqual([]);
    });
    forEverySeed(['everything'], (terms, plan) => {
      const farthest = farthestPromised(terms);
      const steps = plan.flatMap((fault) =>
        fault.kind === 'set clock' ? (fault as { amount: number }).amount : [],
      );
      const offsets = [...terms.clocks.map(({ offsetMs }) => offsetMs), ...steps];
      expect(offsets.every((offset) => Math.abs(offset) <= farthest)).toBe(true);
      expect(plan.filter(({ kind }) => kind === 'rate')).toEqual([]);
    });
  });
});
