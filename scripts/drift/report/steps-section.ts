import type { Chart } from '../../support/report/chart.ts';
import type { TextTable } from '../../support/report/html.ts';
import type { Section } from '../../support/report/section.ts';
import { DRIFT_FACTORS } from '../plan.ts';
import type { Measured } from '../points.ts';
import { lateWriteProbability, SLACK_MS } from '../theory/exclusion.ts';
import { majorityOf } from '../theory/majority.ts';
import { nodesToMislead, safeStepMs, validityOf } from '../theory/thresholds.ts';
import { type ClockTerms, PLAIN_TERMS } from '../trials/clock-terms.ts';
import { duration, percent } from './numbers.ts';
import { curve, distinct, ofStudy, shares, stepAt } from './selection.ts';

const { nodes, ttl } = PLAIN_TERMS;
const SHARE = { label: 'share of trials (%)', domain: [-3, 103] as const, ticks: [0, 25, 50, 75, 100] };

/** Clocks that step, and holders that stop. */
export function stepsSection(measured: readonly Measured[]): Section {
  return {
    title: 'Clocks that step, and holders that stop',
    text: [
      `A majority of ${nodes} nodes, ${majorityOf(nodes)}, has its clock set forward while the lock is held (ttl ` +
        `${duration(ttl)}), as an administrator or a time server does it. Rates are right here.`,
    ],
    charts: [steps(measured), pauses(measured)],
    tables: [misled(measured)],
  };
}

function steps(measured: readonly Measured[]): Chart {
  const of = (driftFactor: number) =>
    ofStudy(measured, 'step', (terms) => terms.driftFactor === driftFactor && terms.watchers === 'none');
  const watched = ofStudy(measured, 'step', ({ watchers }) => watchers === 'rival');
  const step = ({ stepMs }: ClockTerms) => stepMs;
  const all = distinct(ofStudy(measured, 'step').map(({ point }) => step(point.terms)));
  const [from, to] = [all[0] ?? 0, all.at(-1) ?? 1];
  const thresholds = DRIFT_FACTORS.map((factor) => safeStepMs(ttl, factor));
  return {
    id: 'steps',
    title: 'Overlaps when the clocks of a majority step',
    text:
      'A step eats from the same allowance: up to ⌈ttl × driftFactor⌉ + 2 ms it does nothing, beyond that a rival who ' +
      'connects afterwards overlaps every time. A rival who has known the nodes before notices every such step. ' +
      'Steps back only keep keys longer.',
    x: { label: 'step of the clock (ms)', domain: [from, to] },
    y: SHARE,
    series: [
      {
        name: 'no allowance',
        measured: shares(of(DRIFT_FACTORS[0]), step, ({ overlapsPlain }) => overlapsPlain),
        predicted: stepAt(0, from, to),
      },
      ...DRIFT_FACTORS.map((factor, index) => ({
        name: `allowance ${percent(factor, 0)}`,
        measured: shares(of(factor), step, ({ overlaps }) => overlaps),
        predicted: stepAt(thresholds[index] ?? 0, from, to),
      })),
      {
        name: 'allowance 1 %, the rival has watched',
        measured: shares(watched, step, ({ overlaps }) => overlaps),
      },
      {
        name: 'any of these, with fencing',
        measured: shares(ofStudy(measured, 'step'), step, (result) =>
          Math.max(result.lateAccepted, result.latePlainAccepted),
        ),
      },
    ],
  };
}

function pauses(measured: readonly Measured[]): Chart {
  const factors = distinct(ofStudy(measured, 'pause').map(({ point }) => point.terms.driftFactor));
  const pause = ({ pauseMs }: ClockTerms) => pauseMs / 1_000;
  const all = ofStudy(measured, 'pause');
  const to = Math.max(1, ...all.map(({ point }) => pause(point.terms)));
  return {
    id: 'pauses',
    title: 'Late writes of a holder that stops between its check and its write',
    text:
      'Clocks are right; the holder is stopped once, at any moment of its validity, after a check that passed. Its write ' +
      'is late if the next holder has written before. No allowance helps much against this, it only shifts the line; the guard ' +
      'refused every single late write.',
    x: { label: 'length of the pause (s)', domain: [0, to] },
    y: SHARE,
    series: [
      ...factors.map((driftFactor) => ({
        name: `allowance ${percent(driftFactor, 0)}, no fencing`,
        measured: shares(
          ofStudy(measured, 'pause', (terms) => terms.driftFactor === driftFactor),
          pause,
          ({ late }) => late,
        ),
        predicted: curve(
          (seconds) =>
            100 *
            lateWriteProbability({
              ttl,
              validityMs: validityOf(ttl, driftFactor),
              pauseMs: 1_000 * seconds,
              slackMs: SLACK_MS.typical,
            }),
          0,
          to,
        ),
      })),
      {
        name: 'with fencing',
        measured: shares(all, pause, (result) => Math.max(result.lateAccepted, result.latePlainAccepted)),
        predicted: curve(() => 0, 0, to, 1),
      },
    ],
  };
}

function misled(measured: readonly Measured[]): TextTable {
  const found = ofStudy(measured, 'misled');
  const counts = distinct(found.map(({ point }) => point.terms.nodes));
  return {
    title:
      'How many clocks must be wrong: nodes that lose the lock too early before another client can have it',
    head: ['nodes', 'granted by', 'predicted', 'measured'],
    rows: counts.flatMap((count) => {
      const ofCount = found.filter(({ point }) => point.terms.nodes === count);
      return distinct(ofCount.map(({ point }) => point.terms.grantingNodes)).map((granting) => {
        const harmful = ofCount.filter(
          ({ point, result }) => point.terms.grantingNodes === granting && result.overlaps > 0,
        );
        const least = Math.min(...harmful.map(({ point }) => point.terms.steppedNodes));
        return [
          `${count}`,
          `${granting}`,
          `${nodesToMislead(majorityOf(count), count, granting)}`,
          Number.isFinite(least) ? `${least}` : 'more',
        ];
      });
    }),
  };
}
