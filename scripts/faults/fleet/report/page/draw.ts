import { line, type ScaleLinear, scaleLog } from 'd3';
import { escaped } from '../../../../support/report/html.ts';
import type { FaultMark, Latency, ReportData, Span } from '../format.ts';
import type { Layout, Row } from './layout.ts';

type TimeScale = ScaleLinear<number, number>;

/** Spans of one state that are closer than this look like one. */
const APART_PX = 0.7;
const LEAST_PX = 1.4;
const LEAST_FAULT_PX = 3;
const LETTER_PX = 5.6;
/** Faults at the same time lie below each other. */
const LEVELS = 3;
const LEVEL_PX = 7;
const PX_A_TICK = 90;

type Attributes = Readonly<Record<string, string | number | undefined>>;

function element(tag: string, attributes: Attributes, text = ''): string {
  const written = Object.entries(attributes).map(([name, value]) =>
    value === undefined ? '' : ` ${name}="${escaped(String(value))}"`,
  );
  return `<${tag}${written.join('')}>${escaped(text)}</${tag}>`;
}

/** Everything that is to be seen, as far as it can be seen. What comes first lies below. */
export function drawing(data: ReportData, layout: Layout, x: TimeScale): string {
  const groups = {
    ground: ground(layout),
    outages: outages(data, layout, x),
    spans: spans(data, layout, x),
    ...faults(data, layout, x),
    names: names(layout),
    latency: latency(data, layout, x),
    axis: axes(layout, x),
  };
  return Object.entries(groups)
    .map(([name, content]) => `<g class="${name}">${content.join('')}</g>`)
    .join('');
}

/** Seconds since the run began, as close as two moments have to be told apart. */
function moment(ms: number): string {
  return `${(ms / 1_000).toFixed(3)} s`;
}

function duration(ms: number): string {
  return ms < 1_000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}

function ground({ rows, left, right }: Layout): readonly string[] {
  return rows.map(({ index, top: y, height }) =>
    element('rect', { class: index % 2 === 0 ? 'row' : 'row odd', x: left, y, width: right - left, height }),
  );
}

interface Time {
  readonly from: number;
  readonly to: number;
}

/** Where something stands that lies in the part that is shown, at least in part; undefined: it does not. */
function placeOf({ from, to }: Time, { left, right }: Layout, x: TimeScale) {
  if (x(to) < left || x(from) > right) return undefined;
  const begin = Math.max(left, x(from));
  return { x: begin, width: Math.max(LEAST_FAULT_PX, Math.min(right, x(to)) - begin) };
}

function outages({ outages: all }: ReportData, layout: Layout, x: TimeScale): readonly string[] {
  const { top: y } = layout.faults;
  const height = layout.latency.top + layout.latency.height - y;
  return all.map(({ from, to, what }) => {
    const tip = `no majority\n${what}\n${moment(from)} to ${moment(to)}`;
    const place = placeOf({ from, to }, layout, x);
    return place === undefined
      ? ''
      : element('rect', { class: 'outage', ...place, y, height, 'data-tip': tip });
  });
}

/** Every fault in a lane of its own, and through the lanes it was done to. */
function faults({ faults: all }: ReportData, layout: Layout, x: TimeScale) {
  const { top } = layout.faults;
  const levels = levelsOf(all);
  const shown = all.flatMap((mark) => {
    const place = placeOf(mark, layout, x);
    return place === undefined ? [] : [{ mark, place }];
  });
  const strikes = shown.flatMap(({ mark, place }) => {
    const lanes = layout.lanes.filter(({ name }) => mark.lanes.includes(name) && x(mark.from) >= layout.left);
    return lanes.map((lane) =>
      element('line', {
        class: 'strike',
        ...{ x1: place.x, x2: place.x, y1: lane.top - 1, y2: lane.top + lane.height + 1 },
      }),
    );
  });
  const marks = shown.map(({ mark, place }) =>
    element('rect', {
      ...{ class: 'fault', rx: 2, ...place, height: LEVEL_PX - 1 },
      y: top + LEVEL_PX * (levels.get(mark) ?? 0),
      'data-tip': `${mark.what}\n${moment(mark.from)} to ${moment(mark.to)}`,
    }),
  );
  // Those words that do not lie over another.
  let free = Number.NEGATIVE_INFINITY;
  const kinds = shown.map(({ mark: { kind }, place }) => {
    const to = place.x + kind.length * LETTER_PX + 6;
    if (place.x < free || to > layout.right) return '';
    free = to;
    return element('text', { class: 'kind', x: place.x, y: top + 32 }, kind);
  });
  const name = element('text', { class: 'lane', x: 0, y: top + 13 }, 'faults');
  return { strikes, faults: [...marks, ...kinds, name] };
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

function spans({ lanes }: ReportData, layout: Layout, x: TimeScale): readonly string[] {
  return lanes.flatMap((lane) =>
    lane.rows.flatMap(({ name, spans: all }) => {
      const place = layout.rows.find((row) => row.lane === lane.name && row.name === name);
      return place === undefined ? [] : spansOf(all, place, layout, x);
    }),
  );
}

function spansOf(all: readonly Span[], row: Row, { left, right }: Layout, x: TimeScale): readonly string[] {
  const lastOf = new Map<string, number>();
  return all.map((span) => {
    const { state, token } = span;
    const from = Math.max(left, x(span.from));
    const to = Math.min(right, x(span.to));
    if (to < left || from > right || to < from) return '';
    const last = lastOf.get(state) ?? Number.NEGATIVE_INFINITY;
    if (to - from < LEAST_PX && from - last < APART_PX) return '';
    const width = Math.min(Math.max(LEAST_PX, to - from), right - from + LEAST_PX);
    lastOf.set(state, from + width);
    const inset = insetOf(row, span);
    return element('rect', {
      class: `span ${state.replace(' ', '-')}`,
      ...{ x: from, y: row.top + inset, width, height: row.height - 2 * inset },
      ...{ 'data-lane': row.lane, 'data-row': row.name, 'data-state': state, 'data-token': token },
      ...{ 'data-from': span.from, 'data-to': span.to, 'data-tip': wordsOf(span) },
    });
  });
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

function names({ lanes, rows, left }: Layout): readonly string[] {
  return [
    ...lanes.map(({ name, top, height }) =>
      element('text', { class: 'lane', x: 0, y: height > 30 ? top + 11 : top + height / 2 + 4 }, name),
    ),
    ...rows
      .filter(({ group }) => group === 'worker')
      .map(({ lane, name, top, height }) => {
        const caller = name.replace(`${lane.replace('worker ', '')} `, '');
        return element('text', { class: 'caller', x: left - 6, y: top + height - 3 }, caller);
      }),
  ];
}

/** How long it took to get a lock that no other caller wanted, over time. */
function latency(data: ReportData, { left, right, latency: place }: Layout, x: TimeScale): readonly string[] {
  const highest = 1.2 * Math.max(10, ...data.latencies.map(({ p99 }) => p99));
  const y = scaleLog([0.5, highest], [place.top + place.height, place.top]).clamp(true);
  const seen = data.latencies.filter(({ at }) => x(at) >= left && x(at) <= right);
  const path = line<Latency>(
    ({ at }) => x(at),
    ({ p50 }) => y(p50),
  )(seen);
  const ticks = [1, 10, 100, 1_000].filter((tick) => tick <= highest);
  return [
    element('text', { class: 'lane', x: 0, y: place.top - 12 }, 'latency of a free lock: p50 line, p99 dots'),
    ...ticks.flatMap((tick) => [
      element('line', { class: 'tick', x1: left, x2: right, y1: y(tick), y2: y(tick) }),
      element(
        'text',
        { class: 'caller', x: left - 3, y: y(tick) + 4 },
        tick < 1_000 ? `${tick} ms` : `${tick / 1_000} s`,
      ),
    ]),
    element('path', { class: 'p50', d: path ?? undefined }),
    ...seen.map(({ at, count, p50, p99 }) => {
      const tip = `p50 ${duration(p50)}, p99 ${duration(p99)}\nof ${count} locks around ${moment(at)}`;
      return element('circle', { class: 'p99', r: 2.6, cx: x(at), cy: y(p99), 'data-tip': tip });
    }),
  ];
}

/** The time, above and below. */
function axes({ left, right, faults: { top }, latency: place }: Layout, x: TimeScale): readonly string[] {
  const ticks = x.ticks(Math.max(2, Math.round((right - left) / PX_A_TICK)));
  return [
    [top - 6, -6, -9],
    [place.top + place.height, 6, 17],
  ].flatMap(([y = 0, length = 0, text = 0]) => [
    element('line', { class: 'tick', x1: left, x2: right, y1: y, y2: y }),
    ...ticks.flatMap((ms) => [
      element('line', { class: 'tick', x1: x(ms), x2: x(ms), y1: y, y2: y + length }),
      element('text', { class: 'time', x: x(ms), y: y + text }, `${ms / 1_000} s`),
    ]),
  ]);
}
