import { axisLeft, line, scaleLog } from 'd3';
import type { Latency, ReportData } from '../format.ts';
import { duration, layerOf, moment, type Svg, type TimeScale } from './layer.ts';
import type { Layout } from './layout.ts';

/** How long it took to get a lock that no other caller wanted, over time. */
export function drawLatency(svg: Svg, data: ReportData, layout: Layout, x: TimeScale): void {
  const { left, right, latency: place } = layout;
  const highest = Math.max(10, ...data.latencies.map(({ p99 }) => p99));
  const y = scaleLog([0.5, highest * 1.2], [place.top + place.height, place.top]).clamp(true);
  const axis = axisLeft(y)
    .tickValues([1, 10, 100, 1_000].filter((tick) => tick <= highest * 1.2))
    .tickFormat((value) => (Number(value) < 1_000 ? `${value} ms` : `${Number(value) / 1_000} s`))
    .tickSize(-(right - left));
  layerOf(svg, 'latency-axis').attr('transform', `translate(${left},0)`).call(axis);
  const layer = layerOf(svg, 'latency');
  layer
    .selectAll('text.lane')
    .data(['latency of a free lock: p50 line, p99 dots'])
    .join('text')
    .attr('class', 'lane')
    .attr('x', 0)
    .attr('y', place.top - 12)
    .text((text) => text);
  const seen = data.latencies.filter(({ at }) => x(at) >= left && x(at) <= right);
  const path = line<Latency>(
    ({ at }) => x(at),
    ({ p50 }) => y(p50),
  );
  layer.selectAll('path').data([seen]).join('path').attr('class', 'p50').attr('d', path);
  layer
    .selectAll('circle')
    .data(seen)
    .join('circle')
    .attr('class', 'p99')
    .attr('r', 2.6)
    .attr('cx', ({ at }) => x(at))
    .attr('cy', ({ p99 }) => y(p99))
    .attr(
      'data-tip',
      ({ at, count, p50, p99 }) =>
        `p50 ${duration(p50)}, p99 ${duration(p99)}\nof ${count} locks around ${moment(at)}`,
    );
}
