import { describe, expect, it } from 'vitest';
import { impairs, isNodeFault, losesMemory, NODE_FAULTS } from '../../../scripts/chaos/faults/fault.ts';
import type { Ability } from '../../../scripts/chaos/masters/server.ts';
import { SCENARIOS } from '../../../scripts/chaos/scenarios/scenarios.ts';
import { LOCK_TERMS, NODE_COUNT, planOf } from '../../../scripts/chaos/terms.ts';

const ALL: ReadonlySet<Ability> = new Set(['disk', 'clock', 'spare', 'network']);
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
        .filter((fault) => impairs(fault, LOCK_TERMS.nodeTimeout));
      for (const { atMs } of impairing) {
        const out = impairing.filter((each) => each.atMs <= atMs && each.atMs + each.forMs >= atMs);
        expect(new Set(out.flatMap(({ nodes }) => nodes)).size).toBeLessThanOrEqual(
          Math.floor(NODE_COUNT / 2),
        );
      }
    },
  );

  it.each(plans.filter(({ scenario }) => SCENARIOS[scenario]?.promises.exclusion))(
    'never take the last memory where locks are to exclude: $scenario, $seed',
    (options) => {
      const forgetting = planOf(options, ALL)
        .filter(isNodeFault)
        .filter(({ kind }) => losesMemory(kind) && kind !== 'kill');
      for (const { atMs } of forgetting) {
        const out = forgetting.filter((each) => each.atMs <= atMs && each.atMs + each.forMs + 3_000 >= atMs);
        expect(new Set(out.flatMap(({ nodes }) => nodes)).size).toBeLessThan(NODE_COUNT);
      }
    },
  );
});
