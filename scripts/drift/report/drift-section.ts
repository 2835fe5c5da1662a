import type { Chart, Series } from '../../support/report/chart.ts';
import type { TextTable } from '../../support/report/html.ts';
import type { Section } from '../../support/report/section.ts';
import { DRIFT_FACTORS } from '../plan.ts';
import type { Measured } from '../points.ts';
import { overlapProbability, SLACK_MS } from '../theory/exclusion.ts';
import { safeError, safeErrorOfFactor, validityOf } from '../theory/thresholds.ts';
import { errorOfEach, PLAIN_TERMS } from '../trials/clock-terms.ts';
import { duration, percent } from './numbers.ts';
import { curve, distinct, ofKind, ofStudy, shares, stepAt } from './selection.ts';

const { nodes, ttl } = PLAIN_TERMS;

/** In percent. */
const LARGEST_ERROR = 20;

const X = { label: 'relative error between clocks (%)', domain: [0, LARGEST_ERROR] } as const;
const Y = { label: 'share of trials (%)', domain: [-3, 103] as const, ticks: [0, 25, 50, 75, 100] };

/** Clocks that run at a wrong rate. */
export function driftSection(measured: readonly Measured[]): Section {
  return {
    title: 'Clocks that run at a wrong rate',
    text: [
      `A holder takes a lock for ${duration(ttl)} on ${nodes} nodes and works up to the last moment at which its own ` +
        'check says that it still holds it. A rival takes the lock at the first moment at which a majority of nodes has let it ' +
        'expire. An overlap is a trial in which the rival has the lock while the holder’s check still passes. ' +
        'Both connect only when they want the lock: neither has watched the nodes’ clocks before, so that the ' +
        'library’s detection of wrong clocks sees nothing, and the allowance is on its own.',
      'No allowance means that the holder goes by the plain ttl on its own clock; the library itself always takes ' +
        '⌈ttl × driftFactor⌉ + 2 ms off. With fencing, an overlap does harm only if the guard at the resource ' +
        'lets a write of the holder through after the rival has begun to write; the guard is the library’s own.',
    ],
    charts: [worstCase(measured), thresholdChart(measured), randomClocks(measured)],
    tables: [thresholdTable(measured)],
  };
}

function worstCase(measured: readonly Measured[]): Chart {
  const of = (driftFactor: number) =>
    ofStudy(measured, 'drift', (terms) => terms.driftFactor === driftFactor);
  const error = ({ clocks }: { readonly clocks: { readonly relativeError: number } }) =>
    100 * clocks.relativeError;
  const thresholds = DRIFT_FACTORS.map((factor) => 100 * safeError(ttl, validityOf(ttl, factor)));
  const all = ofStudy(measured, 'drift');
  const series: Series[] = [
    {
      name: 'no allowance',
      measured: shares(of(DRIFT_FACTORS[0]), error, ({ overlapsPlain }) => overlapsPlain),
      predicted: stepAt(0, 0, LARGEST_ERROR),
    },
    ...DRIFT_FACTORS.map((factor, index) => ({
      name: `allowance ${percent(factor, 0)}`,
      measured: shares(of(factor), error, ({ overlaps }) => overlaps),
      predicted: stepAt(thresholds[index] ?? 0, 0, LARGEST_ERROR),
    })),
    {
      name: 'any of these, with fencing',
      measured: shares(all, error, (result) => Math.max(result.lateAccepted, result.latePlainAccepted)),
      predicted: curve(() => 0, 0, LARGEST_ERROR, 1),
    },
  ];
  return {
    id: 'drift-worst-case',
    title: 'Overlaps when all nodes’ clocks are fast and the holder’s is slow',
    text:
      'Without an allowance any error is too much. With one there is no overlap up to a threshold, and one in every ' +
      'trial beyond it. Theory puts it at ttl / validity − 1, a little above driftFactor itself. With fencing ' +
      'no late write got through, at any error.',
    x: X,
    y: Y,
    series,
    marks: { name: 'promised: safe up to driftFactor', at: DRIFT_FACTORS.map((factor) => 100 * factor) },
  };
}

function thresholdChart(measured: readonly Measured[]): Chart {
  const found = ofKind(measured, 'threshold').filter(({ point }) => point.check === 'allowance');
  const shown = found.some(({ point }) => point.nodes === nodes) ? nodes : found[0]?.point.nodes;
  const ttls = distinct(found.map(({ point }) => point.ttl));
  const largest = 100 * Math.max(...found.map(({ point }) => point.driftFactor), 0.01);
  return {
    id: 'drift-threshold',
    title: 'The largest clock error without an overlap',
    text:
      `Searched for by halving, on ${shown} nodes. The library promises safety as long as the relative error is at ` +
      'most driftFactor. The exact limit is ttl / validity − 1, which is driftFactor / (1 − driftFactor) for a long ' +
      'ttl; the fixed 2 ms and what messages take make it a little larger for a short one.',
    x: { label: 'driftFactor (%)', domain: [0, largest * 1.05] },
    y: { label: 'relative error (%)', domain: [0, 100 * safeErrorOfFactor((largest * 1.1) / 100) + 0.3] },
    series: [
      ...ttls.map((length) => ({
        name: `ttl ${duration(length)}`,
        measured: found
          .filter(({ point }) => point.ttl === length && point.nodes === shown)
          .map(({ point, result }) => [100 * point.driftFactor, 100 * result.safe] as const),
        predicted: curve((factor) => 100 * safeError(length, validityOf(length, factor / 100)), 0, largest),
      })),
      { name: 'promised: error ≤ driftFactor', predicted: curve((factor) => factor, 0, largest, 1) },
    ],
  };
}

function randomClocks(measured: readonly Measured[]): Chart {
  const of = (driftFactor: number) =>
    ofStudy(measured, 'random', (terms) => terms.driftFactor === driftFactor);
  const error = ({ clocks }: { readonly clocks: { readonly relativeError: number } }) =>
    100 * clocks.relativeError;
  const theory = (validityMs: number) =>
    curve(
      (x) =>
        100 *
        overlapProbability({ nodes, ttl, validityMs, relativeError: x / 100, slackMs: SLACK_MS.typical }),
      0.05,
      LARGEST_ERROR,
    );
  return {
    id: 'drift-random',
    title: 'Overlaps when every clock is wrong in its own way',
    text:
      'Every clock draws its rate evenly, so that no two differ by more than the error shown. The rival needs the third ' +
      'fastest of five nodes to let go early, so the middle clock counts against the holder’s: half of all trials ' +
      'without an allowance, whatever the error, and with one none up to driftFactor, then slowly more.',
    x: X,
    y: Y,
    series: [
      {
        name: 'no allowance',
        measured: shares(of(DRIFT_FACTORS[0]), error, ({ overlapsPlain }) => overlapsPlain),
        predicted: theory(ttl),
      },
      ...DRIFT_FACTORS.map((factor) => ({
        name: `allowance ${percent(factor, 0)}`,
        measured: shares(of(factor), error, ({ overlaps }) => overlaps),
        predicted: theory(validityOf(ttl, factor)),
      })),
      {
        name: 'any of these, with fencing',
        measured: shares(ofStudy(measured, 'random'), error, (result) =>
          Math.max(result.lateAccepted, result.latePlainAccepted),
        ),
        predicted: curve(() => 0, 0, LARGEST_ERROR, 1),
      },
    ],
  };
}

function thresholdTable(measured: readonly Measured[]): TextTable {
  return {
    title: 'The largest relative clock error without an overlap',
    head: [
      'ttl',
      'nodes',
      'driftFactor',
      'promised',
      'predicted',
      'measured',
      'each clock: promised',
      'each clock: measured',
    ],
    rows: ofKind(measured, 'threshold').map(({ point, result }) => {
      const isPlain = point.check === 'plain';
      const validityMs = isPlain ? point.ttl : validityOf(point.ttl, point.driftFactor);
      return [
        duration(point.ttl),
        `${point.nodes}`,
        isPlain ? 'no allowance' : percent(point.driftFactor, 1),
        isPlain ? 'nothing' : percent(point.driftFactor, 1),
        percent(safeError(point.ttl, validityMs), 3),
        percent(result.safe, 3),
        isPlain ? 'nothing' : percent(point.driftFactor / 2, 2),
        percent(errorOfEach(result.safe), 3),
      ];
    }),
  };
}
