import { agrees, type Finding, findingsOf } from './expectations.ts';
import type { Measured, Point } from './points.ts';
import type { ClockTerms } from './trials/clock-terms.ts';

/** One number with everything that it depends on; what does not apply is undefined. */
export type Row = Readonly<Record<(typeof COLUMNS)[number], string | number | undefined>>;

/** In the order of the file. Durations in milliseconds, errors and shares as ratios. */
export const COLUMNS = [
  'kind',
  'study',
  'nodes',
  'ttl_ms',
  'drift_factor',
  'check',
  'clocks',
  'relative_error',
  'rival_clock_like',
  'watchers',
  'step_ms',
  'stepped_nodes',
  'granting_nodes',
  'pause_ms',
  'down_probability',
  'one_way',
  'trials',
  'measure',
  'measured',
  'predicted',
  'least_expected',
  'most_expected',
  'agrees',
] as const;

/** All numbers that a point comes to. */
export function rowsOf(measured: Measured): readonly Row[] {
  return findingsOf(measured).map((finding) => ({
    ...NOTHING,
    ...columnsOf(measured.point),
    ...columnsOfFinding(finding),
  }));
}

const NOTHING = Object.fromEntries(COLUMNS.map((column) => [column, undefined])) as Row;

function columnsOf(point: Point): Partial<Row> {
  const { kind, nodes, trials } = { nodes: undefined, ...point };
  const common = { kind, nodes, trials };
  switch (point.kind) {
    case 'exclusion':
      return { ...common, study: point.study, ...columnsOfTerms(point.terms) };
    case 'threshold':
      return { ...common, ttl_ms: point.ttl, drift_factor: point.driftFactor, check: point.check };
    case 'availability':
      return { ...common, down_probability: point.downProbability };
    case 'latency': {
      const { oneWay } = point;
      const size = oneWay.kind === 'exponential' ? `mean ${oneWay.mean} ms` : `0 to ${oneWay.most} ms`;
      return { ...common, one_way: `${oneWay.kind}, ${size}` };
    }
  }
}

function columnsOfTerms(terms: ClockTerms): Partial<Row> {
  const { clocks } = terms;
  return {
    nodes: terms.nodes,
    ttl_ms: terms.ttl,
    drift_factor: terms.driftFactor,
    clocks: clocks.kind,
    relative_error: clocks.relativeError,
    rival_clock_like: clocks.kind === 'apart' ? clocks.rivalLike : undefined,
    watchers: terms.watchers,
    step_ms: terms.stepMs,
    stepped_nodes: terms.steppedNodes,
    granting_nodes: terms.grantingNodes,
    pause_ms: terms.pauseMs,
  };
}

function columnsOfFinding(finding: Finding): Partial<Row> {
  const { measure, measured, expected } = finding;
  return {
    measure,
    measured,
    predicted: expected?.predicted,
    least_expected: expected?.least,
    most_expected: expected?.most,
    agrees: expected === undefined ? undefined : agrees(finding) ? 'yes' : 'no',
  };
}
