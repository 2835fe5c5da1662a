import type { FaultMark, ReportData } from '../format.ts';
import { layerOf, moment, type Svg, type TimeScale } from './layer.ts';
import type { Layout } from './layout.ts';

const LEAST_PX = 3;
const LETTER_PX = 5.6;

/** Faults at the same time lie below each other. */
const LEVELS = 3;
const LEVEL_PX = 7;

/** Every fault in a lane of its own, and through the lanes it was done to. */
export function drawFaults(svg: Svg, data: ReportData, layout: Layout, x: TimeScale): void {
  const { left, right, faults: place } = layout;
  const shown = data.faults.filter(({ from, to }) => x(to) >= left && x(from) <= right);
  const leftOf = ({ from }: { readonly from: number }) => Math.max(left, x(from));
  const widthOf = (mark: { readonly from: number; readonly to: number }) =>
    Math.max(LEAST_PX, Math.min(right, x(mark.to)) - leftOf(mark));
  layerOf(svg, 'outages')
    .selectAll('rect')
    .data(data.outages.filter(({ from, to }) => x(to) >= left && x(from) <= right))
    .join('rect')
    .attr('class', 'outage')
    .attr('x', leftOf)
    .attr('y', place.top)
    .attr('width', widthOf)
    .attr('height', layout.latency.top + layout.latency.height - place.top)
    .attr('data-tip', ({ from, to, what }) => `no majority\n${what}\n${moment(from)} to ${moment(to)}`);
  const levels = levelsOf(data.faults);
  const layer = layerOf(svg, 'faults');
  layer
    .selectAll('rect.fault')
    .data(shown)
    .join('rect')
    .attr('class', 'fault')
    .attr('rx', 2)
    .attr('x', leftOf)
    .attr('y', (mark) => place.top + LEVEL_PX * (levels.get(mark) ?? 0))
    .attr('width', widthOf)
    .attr('height', LEVEL_PX - 1)
    .attr('data-tip', ({ what, from, to }) => `${what}\n${moment(from)} to ${moment(to)}`);
  layer
    .selectAll('text.kind')
    .data(withRoom(shown, leftOf, right))
    .join('text')
    .attr('class', 'kind')
    .attr('x', leftOf)
    .attr('y', place.top + 32)
    .text(({ kind }) => kind);
  layer
    .selectAll('text.lane')
    .data(['faults'])
    .join('text')
    .attr('class', 'lane')
    .attr('x', 0)
    .attr('y', place.top + 13)
    .text((text) => text);
  layerOf(svg, 'strikes')
    .selectAll('line')
    .data(
      shown.flatMap((mark) =>
        mark.lanes.flatMap((name) => {
          const lane = layout.lanes.find((each) => each.name === name);
          return lane === undefined || x(mark.from) < left ? [] : [{ at: x(mark.from), lane }];
        }),
      ),
    )
    .join('line')
    .attr('class', 'strike')
    .attr('x1', ({ at }) => at)
    .attr('x2', ({ at }) => at)
    .attr('y1', ({ lane }) => lane.top - 1)
    .attr('y2', ({ lane }) => lane.top + lane.height + 1);
}

/** The first level that is free when a fault begins. */
function levelsOf(marks: readonly FaultMark[]): ReadonlyMap<FaultMark, number> {
  const freeAt = Array.from({ length: LEVELS }, () => Number.NEGATIVE_INFINITY);
  return new Map(
    marks.map((mark) => {
      const free = freeAt.findIndex((at) => at <= mark.from);
      const level = free === -1 ? LEVELS - 1 : free;
      freeAt[level] = Math.max(freeAt[level] ?? 0, mark.to);
      return [mark, level];
    }),
  );
}

/** Those of which the word does not lie over another. */
function withRoom(
  marks: readonly FaultMark[],
  leftOf: (mark: FaultMark) => number,
  right: number,
): readonly FaultMark[] {
  let free = Number.NEGATIVE_INFINITY;
  return marks.filter((mark) => {
    const from = leftOf(mark);
    const to = from + mark.kind.length * LETTER_PX + 6;
    if (from < free || to > right) return false;
    free = to;
    return true;
  });
}
