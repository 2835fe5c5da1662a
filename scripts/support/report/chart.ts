import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { escaped } from './html.ts';

/** `[x, y]`; y is a name where the axis has names. */
export type Place = readonly [number, number | string];

/** One thing that a chart shows, in a colour and a shape of its own. */
export interface Series {
  readonly name: string;
  /** Drawn as dots. */
  readonly measured?: readonly Place[] | undefined;
  /** Predicted: drawn as a line. */
  readonly predicted?: readonly Place[] | undefined;
  /** What was measured is joined by a line. */
  readonly joined?: boolean;
}

interface Axis {
  /** With the unit. */
  readonly label: string;
  readonly domain: readonly [number, number];
  readonly type?: 'linear' | 'log';
  readonly ticks?: readonly number[];
  /** How ticks are written; with it all of `ticks` are. */
  readonly tickFormat?: (value: number) => string;
}

/** Names, one below the other. */
interface NamesAxis {
  readonly label: string;
  readonly names: readonly string[];
}

export interface Chart {
  /** For the document: letters, digits and hyphens. */
  readonly id: string;
  readonly title: string;
  /** What one sees, and what theory says. */
  readonly text: string;
  readonly x: Axis;
  readonly y: Axis | NamesAxis;
  /** At most as many as there are {@link SHAPES}. */
  readonly series: readonly Series[];
  /** Vertical lines, and what they stand for. */
  readonly marks?: { readonly name: string; readonly at: readonly number[] } | undefined;
}

/** How wide it is drawn, in pixels, for wide and for narrow windows; text has the same size in both. */
const WIDTHS = { wide: 720, narrow: 340 } as const;
const HEIGHTS = { wide: 360, narrow: 300 } as const;

const FONT_PX = 12;

/** Left of an axis of names. */
const NAMES_PX = 96;

/** Hollow and of growing size, so that dots that fall on each other can all be seen. */
const SHAPES = [
  { symbol: 'circle', radius: 2.6, swatch: '<circle cx="8" cy="8" r="3.4"/>' },
  { symbol: 'square', radius: 3.4, swatch: '<path d="M4.5 4.5h7v7h-7z"/>' },
  { symbol: 'triangle', radius: 4.4, swatch: '<path d="M8 3.2L12.8 12H3.2z"/>' },
  { symbol: 'diamond', radius: 4.8, swatch: '<path d="M8 2.4L11.8 8L8 13.6L4.2 8z"/>' },
  { symbol: 'times', radius: 5, swatch: '<path d="M4 4L12 12M12 4L4 12"/>' },
  { symbol: 'asterisk', radius: 5, swatch: '<path d="M8 3V13M3.7 5.5L12.3 10.5M12.3 5.5L3.7 10.5"/>' },
  { symbol: 'plus', radius: 5, swatch: '<path d="M8 3V13M3 8H13"/>' },
] as const;

/** A chart as a piece of a document: heading, legend, a drawing for wide windows and one for narrow ones, text. */
export function chartHtml(chart: Chart): string {
  const drawings = (['wide', 'narrow'] as const)
    .map((width) => `<div class="drawing ${width}">${draw(chart, width)}</div>`)
    .join('\n');
  return `<figure id="${chart.id}" class="chart">
<h3>${escaped(chart.title)}</h3>
${legend(chart)}
${drawings}
<figcaption>${escaped(chart.text)}</figcaption>
</figure>`;
}

function draw(chart: Chart, width: keyof typeof WIDTHS): string {
  return plotOf(chart, { width: WIDTHS[width], height: HEIGHTS[width] }).outerHTML;
}

/** A drawing by itself, without heading and legend. Its colours are those of the document that it is put into. */
export function plotOf(chart: Chart, size: { readonly width: number; readonly height: number }): Element {
  const { title, x, y, series, marks } = chart;
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  return Plot.plot({
    document,
    ...size,
    marginLeft: 'names' in y ? NAMES_PX : 48,
    marginRight: 18,
    marginTop: 30,
    marginBottom: 46,
    ariaLabel: title,
    style: { fontSize: `${FONT_PX}px`, overflow: 'visible' },
    x: { ...scaleOf(x), labelAnchor: 'center', labelArrow: 'none', grid: 'names' in y },
    y: { ...('names' in y ? namesOf(y) : scaleOf(y)), labelArrow: 'none', grid: true },
    marks: [
      Plot.ruleX(marks?.at ?? [], { stroke: 'var(--mark)', strokeDasharray: '5 4' }),
      ...series.map((one, index) =>
        Plot.line(lineOf(one) ?? [], { stroke: colourOf(index), strokeWidth: 1.6 }),
      ),
      ...series.map(({ measured = [] }, index) =>
        Plot.dot(measured, {
          stroke: colourOf(index),
          symbol: SHAPES[index]?.symbol ?? 'circle',
          r: SHAPES[index]?.radius ?? 3,
          strokeWidth: 1.5,
        }),
      ),
      ...axesOf(chart),
      Plot.frame({ stroke: 'currentColor', strokeOpacity: 0.35 }),
    ],
  });
}

function lineOf({ predicted, measured, joined }: Series): readonly Place[] | undefined {
  return joined === true ? measured : predicted;
}

function namesOf({ label, names }: NamesAxis) {
  return { label, domain: [...names], type: 'point' as const, labelAnchor: 'top' as const };
}

function scaleOf({ label, domain, type = 'linear', ticks }: Axis) {
  const common = { label, domain: [...domain], type, nice: false };
  return {
    ...common,
    ...(ticks === undefined ? {} : { ticks: [...ticks] }),
  };
}

function legend({ series, marks }: Chart): string {
  const entries = series.map((one, index) => entry(one.name, swatchOf(one, index)));
  if (marks !== undefined) {
    entries.push(entry(marks.name, '<path stroke="var(--mark)" stroke-dasharray="4 3" d="M8 0V16"/>'));
  }
  const hasBoth = series.some(({ measured, predicted }) => measured !== undefined && predicted !== undefined);
  const key = hasBoth ? '<li class="key">dots: simulated, lines: theory</li>' : '';
  return `<ul class="legend">${entries.join('')}${key}</ul>`;
}

/** Axes all of whose ticks have a text: on a logarithmic one the library would leave some without. */
function axesOf({ x, y }: Chart) {
  const axes = [];
  if (!('names' in y) && y.tickFormat !== undefined) {
    axes.push(Plot.axisY([...(y.ticks ?? [])], { text: y.tickFormat, labelArrow: 'none' }));
  }
  if (x.tickFormat !== undefined) {
    const options = { text: x.tickFormat, labelArrow: 'none', labelAnchor: 'center' } as const;
    axes.push(Plot.axisX([...(x.ticks ?? [])], options));
  }
  return axes;
}

/** 16 pixels wide and high. */
export function swatchOf(one: Series, index: number): string {
  const line = lineOf(one) === undefined ? '' : '<path d="M0 8H16"/>';
  const dot = one.measured === undefined ? '' : (SHAPES[index]?.swatch ?? '');
  return `<g stroke="${colourOf(index)}">${line}${dot}</g>`;
}

function entry(name: string, swatch: string): string {
  return (
    `<li><svg viewBox="0 0 16 16" width="16" height="16" fill="none" stroke-width="1.6" aria-hidden="true">` +
    `${swatch}</svg>${escaped(name)}</li>`
  );
}

function colourOf(index: number): string {
  return `var(--series-${index + 1})`;
}
