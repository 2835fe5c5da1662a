import type { Chart, Place } from '../../support/report/chart.ts';
import type { TextTable } from '../../support/report/html.ts';
import type { Section } from '../../support/report/section.ts';
import type { Measured } from '../points.ts';
import { availability, standardError } from '../theory/binomial.ts';
import { majorityOf } from '../theory/majority.ts';
import {
  acquiredWithin,
  acquisitionQuantile,
  kolmogorovLimit,
  meanAcquisition,
  type OneWay,
} from '../theory/order-statistics.ts';
import { milliseconds, percent } from './numbers.ts';
import { curve, distinct, type MeasuredOf, ofKind } from './selection.ts';

/** What can be said of a quorum with a pencil, and whether the library does as well. */
export function paperSection(measured: readonly Measured[]): Section {
  const availabilities = ofKind(measured, 'availability');
  const latencies = ofKind(measured, 'latency');
  const kinds = [...new Set(latencies.map(({ point }) => point.oneWay.kind))];
  return {
    title: 'Capacity on paper',
    text: [
      'A lock can be granted while a majority of nodes is up. If each is down with probability p, whatever the others are, ' +
        'that is a sum of binomial terms: Σ C(N, k) (1 − p)^k p^(N − k) over k from the majority to N. In the ' +
        'simulation a node that is down has crashed or hangs, and one attempt is made.',
      'An acquisition on free nodes is over when the majority-th fastest of N round trips is: the 2nd of 3, the 3rd of 5. ' +
        'Its distribution is that order statistic (David and Nagaraja, “Order Statistics”, 2.1). A slow node ' +
        'costs nothing as long as a majority is fast, which is why more nodes make the slow cases rarer.',
    ],
    charts: [availabilityChart(availabilities), ...kinds.map((kind) => latencyChart(latencies, kind))],
    tables: [availabilityTable(availabilities), latencyTable(latencies)],
  };
}

function availabilityChart(found: readonly MeasuredOf<'availability'>[]): Chart {
  const largest = Math.max(0.1, ...found.map(({ point }) => point.downProbability));
  return {
    id: 'availability',
    title: 'Attempts that get the lock while nodes are down',
    text:
      'More nodes help as long as a node is up more often than not. At one half they change nothing, and beyond ' +
      'it they do harm.',
    x: { label: 'probability that a node is down (%)', domain: [0, 100 * largest] },
    y: { label: 'attempts that succeed (%)', domain: [0, 103] },
    series: distinct(found.map(({ point }) => point.nodes)).map((nodes) => ({
      name: nodes === 1 ? '1 node' : `${nodes} nodes`,
      measured: found
        .filter(({ point }) => point.nodes === nodes)
        .map(
          ({ point, result }): Place => [100 * point.downProbability, (100 * result.acquired) / point.trials],
        ),
      predicted: curve((p) => 100 * availability(nodes, p / 100), 0, 100 * largest),
    })),
  };
}

function availabilityTable(found: readonly MeasuredOf<'availability'>[]): TextTable {
  const counts = distinct(found.map(({ point }) => point.nodes));
  const probabilities = distinct(found.map(({ point }) => point.downProbability));
  const cell = (nodes: number, downProbability: number) => {
    const one = found.find(({ point }) => point.nodes === nodes && point.downProbability === downProbability);
    if (one === undefined) return '';
    const measured = one.result.acquired / one.point.trials;
    return `${percent(measured)} / ${percent(availability(nodes, downProbability))}`;
  };
  return {
    title: 'Attempts that succeed: measured / predicted',
    head: ['a node is down', ...counts.map((nodes) => `N = ${nodes}`)],
    rows: [
      ...probabilities.map((p) => [percent(p, 0), ...counts.map((nodes) => cell(nodes, p))]),
      [
        'largest deviation',
        ...counts.map((nodes) => deviation(found.filter(({ point }) => point.nodes === nodes))),
      ],
    ],
  };
}

function deviation(found: readonly MeasuredOf<'availability'>[]): string {
  const deviations = found.map(({ point, result }) => {
    const predicted = availability(point.nodes, point.downProbability);
    const off = Math.abs(result.acquired / point.trials - predicted);
    return { off, errors: off / standardError(predicted, point.trials) };
  });
  const worst = deviations.toSorted((a, b) => b.off - a.off)[0];
  return worst === undefined ? '' : `${percent(worst.off)} (${worst.errors.toFixed(1)} standard errors)`;
}

const ONE_WAY_TEXT: Readonly<Record<OneWay['kind'], string>> = {
  exponential: 'exponential messages, 1 ms on average',
  uniform: 'messages of 0 to 2 ms, evenly',
};

function latencyChart(found: readonly MeasuredOf<'latency'>[], kind: OneWay['kind']): Chart {
  const shown = found.filter(({ point }) => point.oneWay.kind === kind);
  const longest = kind === 'exponential' ? 7 : 4;
  return {
    id: `latency-${kind}`,
    title: `Duration of an acquisition: ${ONE_WAY_TEXT[kind]}`,
    text:
      kind === 'exponential'
        ? 'One node has a long tail; a majority of several cuts it off, and the median hardly moves.'
        : 'Round trips lie around 2 ms whatever N is; more nodes only make them more alike.',
    x: { label: 'duration (ms)', domain: [0, longest] },
    y: { label: 'acquisitions that take no longer (%)', domain: [0, 103] },
    series: shown.map(({ point, result }) => ({
      name: point.nodes === 1 ? '1 node' : `${majorityOf(point.nodes)} of ${point.nodes} nodes`,
      measured: result.quantiles
        .filter(([, ms]) => ms <= longest)
        .map(([share, ms]): Place => [ms, 100 * share]),
      predicted: curve((ms) => 100 * acquiredWithin(point.nodes, point.oneWay, ms), 0, longest),
    })),
  };
}

function latencyTable(found: readonly MeasuredOf<'latency'>[]): TextTable {
  return {
    title: 'Duration of an acquisition: measured / predicted',
    head: ['one way', 'N', 'mean', 'median', '99th percentile', 'distance of the distributions', 'limit'],
    rows: found.map(({ point, result }) => {
      const { nodes, oneWay, trials } = point;
      const at = (share: number) => {
        const measured = result.quantiles.find(([of]) => of === share)?.[1] ?? Number.NaN;
        return `${milliseconds(measured)} / ${milliseconds(acquisitionQuantile(nodes, oneWay, share))}`;
      };
      return [
        oneWay.kind,
        `${nodes}`,
        `${milliseconds(result.meanMs)} / ${milliseconds(meanAcquisition(nodes, oneWay))}`,
        at(0.5),
        at(0.99),
        result.distance.toFixed(4),
        kolmogorovLimit(trials).toFixed(4),
      ];
    }),
  };
}
