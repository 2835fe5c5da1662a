/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
// What runs in the page: see ../page.ts, which puts the data beside it.
import { scaleLinear, select, type ZoomTransform, zoom, zoomIdentity } from 'd3';
import type { ReportData } from '../format.ts';
import { drawing } from './draw.ts';
import { layoutOf } from './layout.ts';
import { Tip } from './tip.ts';

const MOST_ZOOM_MS = 20;

const data = JSON.parse(document.querySelector('#data')?.textContent ?? '{}') as ReportData;
const holder = document.querySelector<HTMLElement>('#timeline');
if (holder !== null) show(holder);

function show(box: HTMLElement): void {
  const svg = select(box).append('svg').attr('role', 'img').attr('aria-label', 'timeline');
  new Tip(box);
  let transform: ZoomTransform = zoomIdentity;
  const draw = () => {
    const layout = layoutOf(data, box.clientWidth);
    const full = scaleLinear([0, data.durationMs], [layout.left, layout.right]);
    const x = transform.rescaleX(full);
    svg
      .attr('width', layout.width)
      .attr('height', layout.height)
      .html(drawing(data, layout, x));
  };
  const behaviour = zoom<SVGSVGElement, unknown>()
    .scaleExtent([1, Math.max(1, data.durationMs / MOST_ZOOM_MS)])
    // A wheel without a key scrolls the page.
    .filter((event: Event) =>
      event instanceof WheelEvent ? event.ctrlKey || event.metaKey || event.shiftKey : true,
    )
    .on('zoom', ({ transform: next }: { readonly transform: ZoomTransform }) => {
      transform = next;
      draw();
    });
  const resize = () => {
    const { left, right, height } = layoutOf(data, box.clientWidth);
    const extent: [[number, number], [number, number]] = [
      [left, 0],
      [right, height],
    ];
    behaviour.extent(extent).translateExtent(extent);
    draw();
  };
  svg.call(behaviour);
  const by = (factor: number) => svg.call(behaviour.scaleBy, factor);
  const along = (share: number) => {
    const { left, right } = layoutOf(data, box.clientWidth);
    svg.call(behaviour.translateBy, (-share * (right - left)) / transform.k, 0);
  };
  const on = (id: string, act: () => void) => document.querySelector(id)?.addEventListener('click', act);
  on('#zoom-in', () => by(2));
  on('#zoom-out', () => by(0.5));
  on('#zoom-all', () => svg.call(behaviour.transform, zoomIdentity));
  const keys: Readonly<Record<string, () => void>> = {
    '+': () => by(2),
    '-': () => by(0.5),
    '0': () => svg.call(behaviour.transform, zoomIdentity),
    ArrowLeft: () => along(-0.25),
    ArrowRight: () => along(0.25),
  };
  box.addEventListener('keydown', (event) => {
    const act = keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  });
  new ResizeObserver(resize).observe(box);
  resize();
}
