import { describe, expect, it } from 'vitest';
import { agrees, findingsOf } from '../../../scripts/drift/expectations.ts';
import { measure } from '../../../scripts/drift/measure.ts';
import type { Measured, Point } from '../../../scripts/drift/points.ts';
import { summaryOf } from '../../../scripts/drift/report/summary.ts';

const SEED = 1;

const availability = (nodes: number): Point => ({
  kind: 'availability',
  nodes,
  downProbability: 0.3,
  trials: 300,
});

const latency = (nodes: number): Point => ({
  kind: 'latency',
  nodes,
  oneWay: { kind: 'exponential', mean: 1 },
  trials: 500,
});

describe('a simulated quorum', () => {
  it.each([1, 3, 5, 7])(
    'of %i is available as the binomial formula says, within 4.5 standard errors',
    async (nodes) => {
      const [finding] = findingsOf(await measure(availability(nodes), SEED));
      expect(finding).toSatisfy(agrees);
    },
  );

  it.each([1, 3, 5, 7])(
    'of %i answers as the order statistic says, within Kolmogorov’s limit',
    async (nodes) => {
      const findings = findingsOf(await measure(latency(nodes), SEED));
      expect(findings.find(({ measure }) => measure === 'distance of the distributions')).toSatisfy(agrees);
    },
  );

  it('is the same again for the same seed, and another one for another', async () => {
    const point = latency(3);
    const [once, again, other] = [await measure(point, 1), await measure(point, 1), await measure(point, 2)];
    expect(again).toEqual(once);
    expect(other).not.toEqual(once);
  });
});

describe('a summary', () => {
  it('names numbers that theory did not expect, and only those', () => {
    const measured = (acquired: number): Measured => ({
      kind: 'availability',
      point: { kind: 'availability', nodes: 5, downProbability: 0.1, trials: 1_000 },
      result: { acquired },
    });
    expect(summaryOf([measured(991)])).toMatchObject({ predicted: 1, differing: [] });
    expect(summaryOf([measured(900)]).differing).toEqual([
      expect.stringContaining('acquired is 0.9, and theory expects it from 0.97'),
    ]);
  });
});
