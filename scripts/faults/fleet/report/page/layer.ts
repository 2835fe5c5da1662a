/// <reference lib="dom" />
import type { ScaleLinear, Selection } from 'd3';

export type Svg = Selection<SVGSVGElement, unknown, null, undefined>;
export type TimeScale = ScaleLinear<number, number>;
export type Layer = Selection<SVGGElement, unknown, null, undefined>;

/** The group of that name, made when it is first needed: the first one lies below. */
export function layerOf(svg: Svg, name: string): Layer {
  const known = svg.select<SVGGElement>(`g.${name}`);
  return known.empty() ? svg.append('g').attr('class', name) : known;
}

/** Seconds since the run began, as close as two moments have to be told apart. */
export function moment(ms: number): string {
  return `${(ms / 1_000).toFixed(3)} s`;
}

export function duration(ms: number): string {
  return ms < 1_000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}
