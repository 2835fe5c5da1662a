import { agrees, findingsOf } from '../expectations.ts';
import type { Measured } from '../points.ts';
import { availability, standardError } from '../theory/binomial.ts';
import { kolmogorovLimit, meanAcquisition } from '../theory/order-statistics.ts';
import { safeError, validityOf } from '../theory/thresholds.ts';
import { PLAIN_TERMS } from '../trials/clock-terms.ts';
import { percent } from './numbers.ts';
import { ofKind } from './selection.ts';

/** What a whole run comes to. */
export interface Summary {
  /** How many trials were made. */
  readonly trials: number;
  /** How many numbers theory says something of. */
  readonly predicted: number;
  /** Those of them that theory did not expect, a line each. */
  readonly differing: readonly string[];
  readonly facts: readonly string[];
}

export function summaryOf(measured: readonly Measured[]): Summary {
  const findings = measured.flatMap((one) => findingsOf(one).map((finding) => ({ one, finding })));
  const predicted = findings.filter(({ finding }) => finding.expected !== undefined);
  const differing = predicted
    .filter(({ finding }) => !agrees(finding))
    .map(({ one, finding: { measure, measured: value, expected } }) => {
      const bounds = `from ${expected?.least} to ${expected?.most}`;
      return `${measure} is ${value}, and theory expects it ${bounds}: ${JSON.stringify(one.point)}`;
    });
  return {
    trials: measured.reduce((sum, { point }) => sum + point.trials, 0),
    predicted: predicted.length,
    differing,
    facts: [threshold(measured), fencing(measured), availabilityFact(measured), latencyFact(measured)].filter(
      (fact) => fact !== undefined,
    ),
  };
}

function threshold(measured: readonly Measured[]): string | undefined {
  const { nodes, ttl, driftFactor } = PLAIN_TERMS;
  const found = ofKind(measured, 'threshold').find(
    ({ point }) =>
      point.nodes === nodes &&
      point.ttl === ttl &&
      point.driftFactor === driftFactor &&
      point.check === 'allowance',
  );
  if (found === undefined) return undefined;
  const predicted = percent(safeError(ttl, validityOf(ttl, driftFactor)), 3);
  return (
    `With the default driftFactor of ${percent(driftFactor, 0)} and a ttl of 10 s no lock overlapped up to a relative ` +
    `clock error of ${percent(found.result.safe, 3)}. Theory says ${predicted}; the library promises ` +
    `${percent(driftFactor, 0)}.`
  );
}

function fencing(measured: readonly Measured[]): string | undefined {
  const results = ofKind(measured, 'exclusion').map(({ result }) => result);
  if (results.length === 0) return undefined;
  const sum = (count: (result: (typeof results)[number]) => number) =>
    results.reduce((total, result) => total + count(result), 0);
  const late = sum((result) => result.late + result.latePlain);
  const accepted = sum((result) => result.lateAccepted + result.latePlainAccepted);
  return `In ${late} cases a holder wrote too late. The guard with fencing tokens let ${accepted} of these writes through.`;
}

/** In units that do not depend on how many trials there were. */
function availabilityFact(measured: readonly Measured[]): string | undefined {
  const off = ofKind(measured, 'availability').map(({ point, result }) => {
    const predicted = availability(point.nodes, point.downProbability);
    const points = Math.abs(result.acquired / point.trials - predicted);
    return { points, errors: points / standardError(predicted, point.trials) };
  });
  const worst = off.toSorted((a, b) => b.points - a.points)[0];
  if (worst === undefined) return undefined;
  return (
    `Availability is at most ${(100 * worst.points).toFixed(2)} percentage points from the binomial formula, which is ` +
    `${worst.errors.toFixed(1)} standard errors.`
  );
}

function latencyFact(measured: readonly Measured[]): string | undefined {
  const found = ofKind(measured, 'latency');
  const worst = found.toSorted((a, b) => b.result.distance - a.result.distance)[0];
  if (worst === undefined) return undefined;
  const means = found.map(
    ({ point, result }) => result.meanMs / meanAcquisition(point.nodes, point.oneWay) - 1,
  );
  const off = Math.max(...means.map(Math.abs));
  return (
    `The mean duration of an acquisition is at most ${percent(off)} from the order statistic, and no distribution is ` +
    `further than ${worst.result.distance.toFixed(4)} from it, where ${kolmogorovLimit(worst.point.trials).toFixed(4)} ` +
    'would be suspicious.'
  );
}
