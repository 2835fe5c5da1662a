import { documentHtml, sectionHtml } from '../../support/report/document.ts';
import { escaped } from '../../support/report/html.ts';
import type { Section } from '../../support/report/section.ts';
import { contentionSections, failureSection, throughputSections } from './beside-sections.ts';
import type { BenchData } from './data.ts';
import { heldSection, memorySection, scalingSection } from './own-sections.ts';

export function sectionsOf({
  throughput,
  failures,
  contention,
  held,
  hung,
  memory,
  quorums,
}: BenchData): readonly Section[] {
  return [
    ...(throughput === undefined ? [] : throughputSections(throughput)),
    ...(failures === undefined ? [] : [failureSection(failures)]),
    ...(contention === undefined ? [] : contentionSections(contention)),
    ...(held === undefined ? [] : [heldSection(held)]),
    ...(memory === undefined && hung === undefined ? [] : [memorySection(memory, hung ?? [])]),
    ...(quorums === undefined ? [] : [scalingSection(quorums)]),
  ];
}

/** The report as one document, which needs no network and no scripts. */
export function pageOf({ machine, packages }: BenchData, sections: readonly Section[]): string {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return documentHtml(
    'quorlock: what a lock costs',
    `<h1>What a lock costs</h1>
<p class="quiet">${machine.cores} cores (${escaped(machine.processor)}) for the program and all its nodes, Node.js
${escaped(machine.node)}. Ratios travel between machines; milliseconds do not. Again with
<code>npm run bench -- report</code></p>
<p class="quiet">${escaped(versions.join(', '))}</p>
${sections.map(sectionHtml).join('\n')}`,
  );
}
