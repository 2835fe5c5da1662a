import type { Place, Series } from '../../support/report/chart.ts';
import type { Figures } from '../peers/figures.ts';
import { isPeer, nameOf, type Variant } from '../peers/variants.ts';
import type { CaseData } from './data.ts';

type Value = (figures: Figures) => number | undefined;

/** Cases of workers with locks of their own, by how many these are. */
export function workerCases(cases: readonly CaseData[]): readonly CaseData[] {
  return cases.filter((one) => one.case.kind === 'cycles');
}

/** A line for each library over the workers, at the setting that makes it fastest at each of them. */
export function overWorkers(cases: readonly CaseData[], value: Value): readonly Series[] {
  const names = [...new Set(cases.flatMap(({ entries }) => entries.map(({ variant }) => variant.peer)))];
  return names.map((name) => ({
    name: name === 'raw' ? 'raw sockets' : name,
    joined: true,
    measured: cases.flatMap((one): Place[] => {
      const settings = one.entries.filter(({ variant }) => variant.peer === name && isFull(variant));
      const [best] = settings.toSorted((a, b) => (b.figures.rate ?? 0) - (a.figures.rate ?? 0));
      const y = best && value(best.figures);
      return y === undefined || !(y > 0) ? [] : [[one.case.contendersEach, y]];
    }),
  }));
}

/** A dot for each library in one case; names stand on the y axis. */
export function dots(data: CaseData, isMeant: (variant: Variant) => boolean, value: Value): readonly Place[] {
  return data.entries
    .filter(({ variant }) => isMeant(variant))
    .flatMap(({ variant, figures }): Place[] => {
      const x = value(figures);
      return x === undefined || Number.isNaN(x) ? [] : [[x, variant.peer]];
    });
}

/** Libraries of a case, each once. */
export function peersOf({ entries }: CaseData): readonly string[] {
  return [...new Set(entries.map(({ variant }) => variant.peer))];
}

/** quorlock with tokens. */
export function fullEntryOf({ entries }: Pick<CaseData, 'entries'>): CaseData['entries'][number] | undefined {
  return entries.find(({ variant }) => variant.peer === 'quorlock' && isFull(variant));
}

/** How many times as fast as the fastest peer, and which that is. */
export function besideBest({
  entries,
}: CaseData): { readonly ratio: number; readonly name: string } | undefined {
  const own = fullEntryOf({ entries });
  const [best] = entries
    .filter(({ variant }) => isPeer(variant))
    .toSorted((a, b) => (b.figures.rate ?? 0) - (a.figures.rate ?? 0));
  if (own?.figures.rate === undefined || best?.figures.rate === undefined) return undefined;
  return { ratio: own.figures.rate / best.figures.rate, name: nameOf(best.variant) };
}

/** A logarithmic axis that has room for all values, with ticks at 1, 2 and 5 of every decade. */
export function logAxis(label: string, values: readonly number[]) {
  const domain = [Math.min(...values) / ROOM, Math.max(...values) * ROOM] as const;
  const ticks: number[] = [];
  for (let decade = Math.floor(Math.log10(domain[0])); decade <= Math.log10(domain[1]); decade += 1) {
    ticks.push(...[1, 2, 5].map((digit) => Number(`${digit}e${decade}`)));
  }
  return {
    label,
    type: 'log' as const,
    domain,
    ticks: ticks.filter((tick) => tick >= domain[0] && tick <= domain[1]),
    tickFormat: short,
  };
}

/** What a chart's series have on their y axis. */
export function heightsOf(series: readonly Series[]): readonly number[] {
  return series.flatMap(({ measured = [] }) => measured.map(([, y]) => Number(y)));
}

/** 20000 as 20k. */
export function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1_000 ? `${value / 1_000}k` : String(value);
}

/** Around the outermost values, as a factor. */
const ROOM = 1.25;

/** With tokens, as users have it. */
function isFull({ settings }: Variant): boolean {
  return settings !== 'plain';
}
