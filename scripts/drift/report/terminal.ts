import type { Section } from '../../support/report/section.ts';
import { tableText } from '../../support/report/terminal.ts';
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
