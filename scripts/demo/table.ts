import Table from 'cli-table3';
import type { Verdict } from './verdict.ts';

/** The result as a table, without colours, since it may go to a file. */
export function tableOf({ rows }: Verdict): string {
  const table = new Table({ style: { head: [], border: [], compact: true }, colAligns: ['left', 'right'] });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}
