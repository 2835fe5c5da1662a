import { documentHtml } from '../../../support/report/document.ts';
import { escaped } from '../../../support/report/html.ts';
import type { ReportData } from './format.ts';
import { STYLE } from './style.ts';

const LEGEND: readonly (readonly [state: string, colour: string, text: string])[] = [
  ['', 'up', 'up'],
  ['', 'paused', 'paused'],
  ['', 'down', 'down'],
  ['', 'cut', 'cut off'],
  ['', 'slow', 'slow'],
  ['', 'full', 'out of memory'],
  ['', 'quarantined', 'quarantined'],
  ['', 'clock-off', 'clock off'],
  ['line', 'waiting', 'waits'],
  ['', 'holding', 'holds'],
  ['', 'lost', 'lost or no quorum'],
  ['', 'outage', 'no majority'],
];

/** The report as one document, which needs no network. `program`: what runs in it, see page/main.ts. */
export function pageOf(data: ReportData, program: string): string {
  const { scenario, text, seed, command, fleet, durationMs, faults } = data;
  return documentHtml(
    `quorlock: chaos, ${scenario}, seed ${seed}`,
    `<h1>Chaos: ${escaped(scenario)}</h1>
<p class="quiet">${escaped(text)}. ${escaped(fleet)}, ${(durationMs / 1_000).toFixed(1)} s, ${faults.length} faults,
seed ${seed}. To repeat it: <code>${escaped(command)}</code></p>
${verdictHtml(data)}
<dl class="rows">
${data.rows.map(rowHtml).join('\n')}
</dl>
<h2>What happened</h2>
<div class="tools">
<button id="zoom-in" type="button">Zoom in</button>
<button id="zoom-out" type="button">Zoom out</button>
<button id="zoom-all" type="button">All of it</button>
<span class="quiet">or Ctrl + wheel, drag, and the keys + − 0 ← →; hover tells what something is</span>
<ul class="legend">${LEGEND.map(legendHtml).join('')}</ul>
</div>
<div id="timeline" tabindex="0"></div>
${data.details.length === 0 ? '' : `<h2>In detail</h2>\n<pre>${escaped(data.details.join('\n'))}</pre>`}`,
    STYLE,
    `<script type="application/json" id="data">${JSON.stringify(data).replaceAll('<', '\\u003c')}</script>
<script>${program.replaceAll('</script', '<\\/script')}</script>`,
  );
}

function verdictHtml({ holds, broken, unanswered, faults }: ReportData): string {
  if (holds) {
    const why = unanswered === undefined ? '' : `<p>${escaped(unanswered)}</p>`;
    return `<div class="verdict">Every promise held, through ${faults.length} faults.${why}</div>`;
  }
  const lines = broken.map((each) => `<li>${escaped(each)}</li>`).join('');
  return `<div class="verdict broken">A promise was broken:<ul>${lines}</ul></div>`;
}

function rowHtml({ what, value, mark }: ReportData['rows'][number]): string {
  const kind = mark === undefined ? '' : mark ? ' class="good"' : ' class="bad"';
  return `<div${kind}><dt>${escaped(what)}</dt><dd>${escaped(value)}</dd></div>`;
}

function legendHtml([shape, colour, text]: (typeof LEGEND)[number]): string {
  return `<li><i class="${shape}" style="--swatch: var(--${colour})"></i>${text}</li>`;
}
