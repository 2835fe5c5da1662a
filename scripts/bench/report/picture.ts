import { type Chart, plotOf, swatchOf } from '../../support/report/chart.ts';
import { escaped } from '../../support/report/html.ts';
import { COLOURS } from '../../support/report/style.ts';
import { p50Chart, rateChart } from './beside-sections.ts';
import type { BenchData } from './data.ts';
import { workerCases } from './select.ts';

/** Narrow, so that its text can still be read on a small screen. */
const WIDTH = 560;
const CHART_HEIGHT = 300;
const TITLE_HEIGHT = 26;
const LEGEND_COLUMNS = 4;
const LEGEND_ROW_HEIGHT = 20;
const EDGE = 12;

/** The two charts that say most, as an image by itself: on light ground or dark, as the reader prefers. */
export function pictureOf({ throughput }: BenchData): string {
  const cases = workerCases(throughput?.cases ?? []);
  const charts = [rateChart(cases), p50Chart(cases)];
  const legendTop = EDGE + 4;
  const rows = Math.ceil((charts[0]?.series.length ?? 0) / LEGEND_COLUMNS);
  const chartsTop = legendTop + rows * LEGEND_ROW_HEIGHT + EDGE;
  const height = chartsTop + charts.length * (TITLE_HEIGHT + CHART_HEIGHT) + EDGE;
  const panels = charts.map((chart, index) =>
    panel(chart, chartsTop + index * (TITLE_HEIGHT + CHART_HEIGHT)),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="12" aria-label="Locks a second, and the median time of an acquire, over the number of workers">
<style>${COLOURS}
svg { color: var(--ink); --plot-background: var(--ground); }</style>
<rect width="100%" height="100%" rx="8" fill="var(--ground)"/>
${legend(charts[0], legendTop)}
${panels.join('\n')}
</svg>
`;
}

function panel(chart: Chart, top: number): string {
  const plot = plotOf(chart, { width: WIDTH - 2 * EDGE, height: CHART_HEIGHT });
  plot.setAttribute('x', String(EDGE));
  plot.setAttribute('y', String(top + TITLE_HEIGHT));
  return `<text x="${EDGE}" y="${top + 18}" font-size="15" font-weight="600" fill="var(--ink)">${escaped(chart.title)}</text>
${plot.outerHTML}`;
}

function legend(chart: Chart | undefined, top: number): string {
  const columnWidth = (WIDTH - 2 * EDGE) / LEGEND_COLUMNS;
  const entries = (chart?.series ?? []).map((one, index) => {
    const x = EDGE + (index % LEGEND_COLUMNS) * columnWidth;
    const y = top + Math.floor(index / LEGEND_COLUMNS) * LEGEND_ROW_HEIGHT;
    return (
      `<g transform="translate(${x},${y})"><g fill="none" stroke-width="1.6">${swatchOf(one, index)}</g>` +
      `<text x="22" y="12" fill="var(--ink)">${escaped(one.name)}</text></g>`
    );
  });
  return entries.join('\n');
}
