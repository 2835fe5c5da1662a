import type { Chart } from '../../support/report/chart.ts';
import type { TextTable } from '../../support/report/html.ts';
import type { Section } from '../../support/report/section.ts';
import { DRIFT_FACTORS } from '../plan.ts';
import type { Measured } from '../points.ts';
import type { ClockTerms, Watchers } from '../trials/clock-terms.ts';
import { percent } from './numbers.ts';
import { distinct, ofStudy, shares } from './selection.ts';

const WATCHERS: Readonly<Record<Watchers, string>> = {
  none: 'none',
  rival: 'the rival, while it is held',
  both: 'both, before as well',
};

const error = ({ clocks }: ClockTerms) => 100 * clocks.relativeError;

/** What the library's own look at the nodes' clocks adds. */
export function detectionSection(measured: readonly Measured[]): Section {
  return {
    title: 'What the detection of wrong clocks adds',
    text: [
      'Every answer of a node carries its time. A program that has watched a node for a while warns of a clock that has ' +
        'gone wrong by more than driftFactor, and leaves the node’s votes out. This is separate from the ' +
        'allowance: it closes most of what lies beyond it, at the price of locks that are not granted.',
      'It is blind to a clock that was wrong from the first reading on until it has watched long enough for the error ' +
        'to show; and each program compares with its own clock only, so that a rival whose clock is as wrong as ' +
        'the nodes’ sees nothing.',
    ],
    charts: [randomClocks(measured)],
    tables: [worstCase(measured)],
  };
}

function randomClocks(measured: readonly Measured[]): Chart {
  const isRandom = ({ clocks, driftFactor }: ClockTerms) =>
    clocks.kind === 'random' && driftFactor === DRIFT_FACTORS[0];
  const none = ofStudy(measured, 'random', isRandom);
  const watched = (watchers: Watchers) =>
    ofStudy(measured, 'watched', (terms) => isRandom(terms) && terms.watchers === watchers);
  return {
    id: 'detection',
    title: 'Overlaps with an allowance of 1 %, by who has watched the nodes',
    text:
      'Every clock is wrong in its own way. A rival that has watched while the lock was held takes it too early only ' +
      'if its own clock is as fast as the nodes’. If the holder has watched too, no trial overlaps, because nodes that are ' +
      'too far off grant nothing; from twice driftFactor on there is often no lock.',
    x: { label: 'largest relative error between two clocks (%)', domain: [0, 20] },
    y: { label: 'share of trials (%)', domain: [-3, 103], ticks: [0, 25, 50, 75, 100] },
    series: [
      { name: 'overlap: neither has watched', measured: shares(none, error, ({ overlaps }) => overlaps) },
      {
        name: 'overlap: the rival has',
        measured: shares(watched('rival'), error, ({ overlaps }) => overlaps),
      },
      { name: 'overlap: both have', measured: shares(watched('both'), error, ({ overlaps }) => overlaps) },
      {
        name: 'no lock granted: both have',
        measured: shares(watched('both'), error, ({ granted }, trials) => trials - granted),
      },
    ],
  };
}

function worstCase(measured: readonly Measured[]): TextTable {
  const found = ofStudy(measured, 'watched', ({ clocks }) => clocks.kind === 'apart');
  const errors = distinct(found.map(({ point }) => point.terms.clocks.relativeError));
  const ways = [...new Set(found.map(({ point }) => wayOf(point.terms)))];
  const cell = (way: string, relativeError: number) => {
    const one = found.find(
      ({ point: { terms } }) => wayOf(terms) === way && terms.clocks.relativeError === relativeError,
    );
    if (one === undefined) return '';
    const { trials } = one.point;
    const { overlaps, granted } = one.result;
    return granted === 0 ? 'no lock granted' : percent(overlaps / trials, 0);
  };
  return {
    title: 'Overlaps when all nodes are fast and the holder is slow, allowance 1 %',
    head: ['who has watched', ...errors.map((relativeError) => `error ${percent(relativeError, 1)}`)],
    rows: ways.map((way) => [way, ...errors.map((relativeError) => cell(way, relativeError))]),
  };
}

/** Who has watched, and with which clock. */
function wayOf({ clocks, watchers }: ClockTerms): string {
  const isFast = clocks.kind === 'apart' && clocks.rivalLike === 'nodes';
  return `${WATCHERS[watchers]}; the rival’s clock is like the ${isFast ? 'nodes’' : 'holder’s'}`;
}
