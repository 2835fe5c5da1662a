import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { amnesiaMs, drawPlan, type Fault } from '../../../scripts/soak/plan.ts';
import { drawTerms, farthestPromised, MODES, type Mode, type Terms } from '../../../scripts/soak/terms.ts';

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });

function forEverySeed(modes: readonly Mode[], check: (terms: Terms, plan: readonly Fault[]) => void): void {
  fc.assert(
    fc.property(fc.constantFrom(...modes), seeds, (mode, seed) => {
      const terms = drawTerms(mode, seed);
      check(terms, drawPlan(terms));
    }),
    { numRuns: 500 },
  );
}

function lossesIn(plan: readonly Fault[]) {
  return plan.filter((fault) => fault.kind === 'flush' || fault.kind === 'empty');
}

describe('a plan', () => {
  test('is the same again for the same seed', () => {
    forEverySeed(MODES, ({ mode, seed }, plan) => {
      expect(drawPlan(drawTerms(mode, seed))).toEqual(plan);
    });
  });

  test('has faults, in order of time, and leaves the end of the run to what they led to', () => {
    forEverySeed(MODES, ({ durationMs }, plan) => {
      const times = plan.map(({ atMs }) => atMs);
      expect(times.length).toBeGreaterThan(0);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(Math.max(...times)).toBeLessThan(durationMs - 1_000);
    });
  });

  test('names nodes that there are, each once', () => {
    forEverySeed(MODES, (terms, plan) => {
      for (const fault of plan) {
        if (fault.kind === 'stop holder') continue;
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
      expect(plan.filter(({ kind }) => kind === 'step' || kind === 'rate')).toEqual([]);
    });
    forEverySeed(['everything'], (terms, plan) => {
      const farthest = farthestPromised(terms);
      const steps = plan.flatMap((fault) => (fault.kind === 'step' ? fault.offsetMs : []));
      const offsets = [...terms.clocks.map(({ offsetMs }) => offsetMs), ...steps];
      expect(offsets.every((offset) => Math.abs(offset) <= farthest)).toBe(true);
      expect(plan.filter(({ kind }) => kind === 'rate')).toEqual([]);
    });
  });
});
