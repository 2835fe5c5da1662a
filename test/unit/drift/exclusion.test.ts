import { describe, expect, it } from 'vitest';
import { SLACK_MS } from '../../../scripts/drift/theory/exclusion.ts';
import { safeError, safeStepMs, validityOf } from '../../../scripts/drift/theory/thresholds.ts';
import { type ClockTerms, PLAIN_TERMS } from '../../../scripts/drift/trials/clock-terms.ts';
import { type ClockTrial, clockTrial } from '../../../scripts/drift/trials/clock-trial.ts';
import { seedAfter } from '../../../scripts/support/seeds.ts';

const TRIALS = 10;
const SEED = 7;

/** As many trials as every point of these tests has. */
async function trialsOf(terms: Partial<ClockTerms>): Promise<readonly ClockTrial[]> {
  const trials: ClockTrial[] = [];
  for (let trial = 0; trial < TRIALS; trial += 1) {
    trials.push(await clockTrial({ ...PLAIN_TERMS, ...terms }, seedAfter(SEED, trial)));
  }
  return trials;
}

const apart = (relativeError: number, rivalLike: 'holder' | 'nodes' = 'holder') =>
  ({ kind: 'apart', relativeError, rivalLike }) as const;

const overlaps = (trials: readonly ClockTrial[]) =>
  trials.filter(({ allowance }) => allowance.overlaps).length;

const { ttl, driftFactor } = PLAIN_TERMS;

/** The smallest error at which theory expects an overlap however long messages take. */
const beyond = (length: number, factor: number) =>
  safeError(length, validityOf(length, factor) - SLACK_MS.most);

describe('locks whose clocks nothing watches', () => {
  it.each([
    [1_000, 0.01, 3],
    [10_000, 0.01, 5],
    [10_000, 0.1, 5],
    [60_000, 0.002, 1],
  ])(
    'do not overlap up to driftFactor, nor up to the threshold, and always beyond it: ttl %i, %f, %i nodes',
    async (length, factor, nodes) => {
      const at = (error: number) =>
        trialsOf({
          nodes,
          grantingNodes: nodes,
          ttl: length,
          driftFactor: factor,
          clocks: apart(error),
        });
      expect(overlaps(await at(factor))).toBe(0);
      expect(overlaps(await at(safeError(length, validityOf(length, factor))))).toBe(0);
      expect(overlaps(await at(beyond(length, factor)))).toBe(TRIALS);
    },
  );

  it('overlap without an allowance, at any error', async () => {
    const trials = await trialsOf({ clocks: apart(driftFactor / 10) });
    expect(trials.every(({ plain, allowance }) => plain.overlaps && !allowance.overlaps)).toBe(true);
  });

  it('overlap when a majority steps beyond the allowance, and not before', async () => {
    const at = (stepMs: number) => trialsOf({ stepMs, steppedNodes: 3 });
    expect(overlaps(await at(safeStepMs(ttl, driftFactor)))).toBe(0);
    expect(overlaps(await at(safeStepMs(ttl, driftFactor) + SLACK_MS.most))).toBe(TRIALS);
    expect(overlaps(await trialsOf({ stepMs: 60_000, steppedNodes: 2 }))).toBe(0);
  });

  it('have late writes then, all of which the guard refuses', async () => {
    const trials = await trialsOf({ clocks: apart(0.1) });
    expect(trials.every(({ allowance, plain }) => allowance.late.sent > 0 && plain.late.sent > 0)).toBe(true);
    expect(trials.some(({ allowance, plain }) => allowance.late.accepted + plain.late.accepted > 0)).toBe(
      false,
    );
  });
});

describe('the detection of wrong clocks, beyond the threshold,', () => {
  const error = beyond(ttl, driftFactor);

  it('keeps a rival from a lock that is held, if it has watched and its clock is like the holder’s', async () => {
    const trials = await trialsOf({ clocks: apart(error), watchers: 'rival' });
    expect(overlaps(trials)).toBe(0);
    expect(trials.every(({ noticed }) => noticed)).toBe(true);
  });

  it('does not, if its clock is as wrong as the nodes’', async () => {
    const trials = await trialsOf({ clocks: apart(error, 'nodes'), watchers: 'rival' });
    expect(overlaps(trials)).toBe(TRIALS);
    expect(trials.some(({ noticed }) => noticed)).toBe(false);
  });

  it('leaves a holder that has watched without a lock', async () => {
    const trials = await trialsOf({ clocks: apart(0.02, 'nodes'), watchers: 'both' });
    expect(trials.some(({ granted }) => granted)).toBe(false);
  });
});

describe('a holder that stops between its check and its write', () => {
  it('writes late, with clocks that are right, and is refused', async () => {
    const trials = await trialsOf({ pauseMs: 2 * ttl });
    expect(overlaps(trials)).toBe(0);
    expect(trials.every(({ allowance }) => allowance.late.sent === 1 && allowance.late.accepted === 0)).toBe(
      true,
    );
  });
});
