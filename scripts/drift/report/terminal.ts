import Table from 'cli-table3';
import type { TextTable } from './html.ts';
import type { Section } from './section.ts';
import type { Summary } from './summary.ts';

/** What is printed at the end: all tables, and what they come to. Without colours, since it may go to a file. */
export function textOf(
  sections: readonly Section[],
  { trials, predicted, differing, facts }: Summary,
): string {
  const tables = sections.flatMap((section) => section.tables).map(tableText);
  const verdict =
    differing.length === 0
      ? `All ${predicted} numbers that theory predicts agree with it.`
      : [`${differing.length} of ${predicted} numbers are NOT what theory predicts:`, ...differing].join(
          '\n  ',
        );
  return [...tables, `${trials} trials. ${verdict}`, ...facts].join('\n');
}

function tableText({ title, head, rows }: TextTable): string {
  const table = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
  table.push(...rows.map((row) => [...row]));
  return `\n${title}\n${table.toString()}`;
}
