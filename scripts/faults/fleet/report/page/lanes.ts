import type { ReportData, Span } from '../format.ts';
import { duration, layerOf, moment, type Svg, type TimeScale } from './layer.ts';
import type { Layout, Row } from './layout.ts';

/** Spans of one state that are closer than this look like one. */
const APART_PX = 0.7;
const LEAST_PX = 1.4;

interface Drawn {
  readonly span: Span;
  readonly row: Row;
  readonly x: number;
  readonly width: number;
}

/** Every lane with its spans, as far as they can be seen. */
export function drawLanes(svg: Svg, data: ReportData, layout: Layout, x: TimeScale): void {
  const ground = layerOf(svg, 'ground');
  ground
    .selectAll('rect')
    .data(layout.rows)
    .join('rect')
    .attr('class', ({ index }) => (index % 2 === 0 ? 'row' : 'row odd'))
    .attr('x', layout.left)
    .attr('y', ({ top }) => top)
    .attr('width', layout.right - layout.left)
    .attr('height', ({ height }) => height);
  const spans = data.lanes.flatMap((lane) =>
    lane.rows.flatMap((row) => {
      const place = layout.rows.find(({ lane: name, name: own }) => name === lane.name && own === row.name);
      return place === undefined ? [] : visible(row.spans, place, layout, x);
    }),
  );
  layerOf(svg, 'spans')
    .selectAll('rect')
    .data(spans)
    .join('rect')
    .attr('class', ({ span }) => `span ${span.state.replace(' ', '-')}`)
    .attr('data-lane', ({ row }) => row.lane)
    .attr('data-row', ({ row }) => row.name)
    .attr('data-state', ({ span }) => span.state)
    .attr('data-from', ({ span }) => span.from)
    .attr('data-to', ({ span }) => span.to)
    .attr('data-token', ({ span }) => span.token ?? null)
    .attr('data-tip', ({ span }) => wordsOf(span))
    .attr('x', (drawn) => drawn.x)
    .attr('y', ({ row, span }) => row.top + insetOf(row, span))
    .attr('width', ({ width }) => width)
    .attr('height', ({ row, span }) => row.height - 2 * insetOf(row, span));
  drawNames(svg, layout);
}

function drawNames(svg: Svg, layout: Layout): void {
  const names = layerOf(svg, 'names');
  names
    .selectAll('text.lane')
    .data(layout.lanes)
    .join('text')
    .attr('class', 'lane')
    .attr('x', 0)
    .attr('y', ({ top, height }) => (height > 30 ? top + 11 : top + height / 2 + 4))
    .text(({ name }) => name);
  names
    .selectAll('text.caller')
    .data(layout.rows.filter(({ group }) => group === 'worker'))
    .join('text')
    .attr('class', 'caller')
    .attr('x', layout.left - 6)
    .attr('y', ({ top, height }) => top + height - 3)
    .text(({ lane, name }) => name.replace(`${lane.replace('worker ', '')} `, ''));
}

function visible(spans: readonly Span[], row: Row, { left, right }: Layout, x: TimeScale): readonly Drawn[] {
  const drawn: Drawn[] = [];
  const lastOf = new Map<string, number>();
  for (const span of spans) {
    const from = Math.max(left, x(span.from));
    const to = Math.min(right, x(span.to));
    if (to < left || from > right || to < from) continue;
    const last = lastOf.get(span.state) ?? Number.NEGATIVE_INFINITY;
    if (to - from < LEAST_PX && from - last < APART_PX) continue;
    const width = Math.min(Math.max(LEAST_PX, to - from), right - from + LEAST_PX);
    lastOf.set(span.state, from + width);
    drawn.push({ span, row, x: from, width });
  }
  return drawn;
}

/** Waiting is thinner than holding, and what befalls a whole process is thinner still and lies over it. */
function insetOf({ group, height }: Row, { state }: Span): number {
  if (group === 'node') return 2;
  if (state === 'waiting') return height / 2 - 1.5;
  return state === 'stopped' || state === 'dead' ? 0.5 : 1.5;
}

function wordsOf({ from, to, text, state, token }: Span): string {
  const time = to > from ? `${moment(from)} to ${moment(to)} (${duration(to - from)})` : moment(from);
  return [text, ...(token === undefined ? [] : [`token ${token}`]), `${state}, ${time}`].join('\n');
}
