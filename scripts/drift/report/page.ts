import type { Measured } from '../points.ts';
import { chartHtml } from './chart.ts';
import { detectionSection } from './detection-section.ts';
import { driftSection } from './drift-section.ts';
import { escaped, paragraphs, tableHtml } from './html.ts';
import { paperSection } from './paper-section.ts';
import type { Section } from './section.ts';
import { stepsSection } from './steps-section.ts';
import { STYLE } from './style.ts';
import type { Summary } from './summary.ts';

/** How the run was started. */
export interface Origin {
  readonly seed: number;
  /** The command that makes the same results again. */
  readonly command: string;
}

export function sectionsOf(measured: readonly Measured[]): readonly Section[] {
  return [driftSection(measured), detectionSection(measured), stepsSection(measured), paperSection(measured)];
}

/** The report as one document, which needs no network and no scripts. */
export function pageOf(sections: readonly Section[], summary: Summary, { seed, command }: Origin): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>quorlock: wrong clocks, and capacity on paper</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Wrong clocks, and capacity on paper</h1>
<p class="quiet">quorlock in simulation: ${summary.trials.toLocaleString('en')} trials in virtual time, seed ${seed}.
The library itself runs unchanged; clocks, network and nodes are simulated. Again with <code>${escaped(command)}</code></p>
${verdict(summary)}
<ul>${summary.facts.map((fact) => `<li>${escaped(fact)}</li>`).join('\n')}</ul>
${sections.map(sectionHtml).join('\n')}
</main>
</body>
</html>
`;
}

function verdict({ predicted, differing }: Summary): string {
  if (differing.length === 0) {
    return `<p class="agrees">All ${predicted} numbers that theory predicts agree with it.</p>`;
  }
  const lines = differing.map((line) => `<li>${escaped(line)}</li>`).join('\n');
  return `<div class="differs"><p>${differing.length} of ${predicted} numbers are not what theory predicts:</p><ul>${lines}</ul></div>`;
}

function sectionHtml({ title, text, charts, tables }: Section): string {
  return `<section>
<h2>${escaped(title)}</h2>
${paragraphs(...text)}
${charts.map(chartHtml).join('\n')}
${tables.map(tableHtml).join('\n')}
</section>`;
}
