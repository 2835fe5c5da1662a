import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TextTable } from '../../support/report/html.ts';
import type { BenchData } from './data.ts';
import { besideBest, fullEntryOf, workerCases } from './select.ts';

/** Stand around the table on the page that shows it. */
const BEGIN = '<!-- begin: npm run bench -- report --out docs -->';
const END = '<!-- end -->';

/** What quorlock does, and what the fastest peer does, for each number of workers. */
export function summaryOf({ throughput }: BenchData): TextTable {
  return {
    title: 'A lock of its own for each worker, in one process',
    head: [
      'workers',
      'locks a second',
      'acquire, median',
      'client, a lock',
      'five nodes, a lock',
      'times the fastest peer',
      'which is',
    ],
    rows: workerCases(throughput?.cases ?? []).flatMap((one) => {
      const own = fullEntryOf(one)?.figures;
      const best = besideBest(one);
      if (own?.rate === undefined || best === undefined) return [];
      return [
        [
          one.case.contendersEach.toLocaleString('en'),
          Math.round(own.rate).toLocaleString('en'),
          `${own.acquireP50Ms?.toPrecision(2)} ms`,
          `${own.clientUs?.toFixed(0)} µs`,
          `${own.serverUs?.toFixed(0)} µs`,
          best.ratio.toFixed(2),
          best.name,
        ],
      ];
    }),
  };
}

/** A page with its summary written anew. */
export function withSummary(page: string, data: BenchData): string {
  const [before = '', , after] = page.split(new RegExp(`${BEGIN}|${END}`));
  if (after === undefined) throw new Error(`the page has no "${BEGIN}" and "${END}" to write between`);
  return `${before}${BEGIN}\n\n${markdownOf(summaryOf(data))}\n${END}${after}`;
}

/** Writes the summary into performance.md, if the folder has it. */
export function writeSummary(folder: string, data: BenchData): void {
  const path = join(folder, 'performance.md');
  let page: string;
  try {
    page = readFileSync(path, 'utf8');
  } catch {
    return;
  }
  writeFileSync(path, withSummary(page, data));
}

/** A table as the formatter of the project leaves it. */
function markdownOf({ head, rows }: TextTable): string {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |\n`;
  return [head, widths.map((width) => '-'.repeat(width)), ...rows].map(line).join('');
}
