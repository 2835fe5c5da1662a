import type { Place } from '../../support/report/chart.ts';
import type { Measured, Point, Study } from '../points.ts';
import type { ClockTerms } from '../trials/clock-terms.ts';

/** What was measured of one kind. */
export type MeasuredOf<Kind extends Point['kind']> = Extract<Measured, { readonly kind: Kind }>;

export function ofKind<Kind extends Point['kind']>(
  measured: readonly Measured[],
  kind: Kind,
): readonly MeasuredOf<Kind>[] {
  return measured.filter((one): one is MeasuredOf<Kind> => one.kind === kind);
}

/** Points of exclusion that belong to one question, under some terms. */
export function ofStudy(
  measured: readonly Measured[],
  study: Study,
  isMeant: (terms: ClockTerms) => boolean = () => true,
): readonly MeasuredOf<'exclusion'>[] {
  return ofKind(measured, 'exclusion').filter(({ point }) => point.study === study && isMeant(point.terms));
}

/** The share of trials in which something was so, in percent, over something else. */
export function shares(
  measured: readonly MeasuredOf<'exclusion'>[],
  x: (terms: ClockTerms) => number,
  count: (result: MeasuredOf<'exclusion'>['result'], trials: number) => number,
): readonly Place[] {
  return measured
    .map(({ point, result }): Place => [x(point.terms), (100 * count(result, point.trials)) / point.trials])
    .toSorted(([a], [b]) => a - b);
}

/** Different values, in ascending order. */
export function distinct(values: readonly number[]): readonly number[] {
  return [...new Set(values)].toSorted((a, b) => a - b);
}

/** A function drawn at many places between two bounds. */
export function curve(f: (x: number) => number, from: number, to: number, places = 120): readonly Place[] {
  return Array.from({ length: places + 1 }, (_, index): Place => {
    const x = from + ((to - from) * index) / places;
    return [x, f(x)];
  });
}

/** 0 up to a threshold and 100 beyond it. */
export function stepAt(threshold: number, from: number, to: number): readonly Place[] {
  return [
    [from, 0],
    [threshold, 0],
    [threshold, 100],
    [to, 100],
  ];
}
