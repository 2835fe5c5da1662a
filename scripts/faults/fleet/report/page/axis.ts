import { axisBottom, axisTop } from 'd3';
import { layerOf, type Svg, type TimeScale } from './layer.ts';
import type { Layout } from './layout.ts';

const PX_A_TICK = 90;

/** The time, above and below. */
export function axisOf(svg: Svg, layout: Layout, x: TimeScale): void {
  const ticks = Math.max(2, Math.round((layout.right - layout.left) / PX_A_TICK));
  const format = (ms: number | { valueOf(): number }) => `${Number(ms) / 1_000} s`;
  const { top, height } = layout.latency;
  layerOf(svg, 'axis-top')
    .attr('transform', `translate(0,${layout.faults.top - 6})`)
    .call(axisTop(x).ticks(ticks).tickFormat(format));
  layerOf(svg, 'axis-bottom')
    .attr('transform', `translate(0,${top + height})`)
    .call(axisBottom(x).ticks(ticks).tickFormat(format));
}
