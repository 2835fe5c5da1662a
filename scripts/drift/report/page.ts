import { documentHtml, sectionHtml } from '../../support/report/document.ts';
import { escaped } from '../../support/report/html.ts';
import type { Section } from '../../support/report/section.ts';
import type { Measured } from '../points.ts';
import { detectionSection } from './detection-section.ts';
import { driftSection } from './drift-section.ts';
import { paperSection } from './paper-section.ts';
import { stepsSection } from './steps-section.ts';
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
  return documentHtml(
    'quorlock: wrong clocks, and capacity on paper',
    `<h1>Wrong clocks, and capacity on paper</h1>
<p class="quiet">quorlock in simulation: ${summary.trials.toLocaleString('en')} trials in virtual time, seed ${seed}.
The library itself runs unchanged; clocks, network and nodes are simulated. Again with <code>${escaped(command)}</code></p>
${verdict(summary)}
<ul>${summary.facts.map((fact) => `<li>${escaped(fact)}</li>`).join('\n')}</ul>
${sections.map(sectionHtml).join('\n')}`,
  );
}

function verdict({ predicted, differing }: Summary): string {
  if (differing.length === 0) {
    return `<p class="agrees">All ${predicted} numbers that theory predicts agree with it.</p>`;
  }
  const lines = differing.map((line) => `<li>${escaped(line)}</li>`).join('\n');
  return `<div class="differs"><p>${differing.length} of ${predicted} numbers are not what theory predicts:</p><ul>${lines}</ul></div>`;
}
