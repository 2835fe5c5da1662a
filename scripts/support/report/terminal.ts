import Table from 'cli-table3';
import type { TextTable } from './html.ts';

/** A table for the terminal. Without colours, since it may go to a file. */
export function tableText({ title, head, rows }: TextTable): string {
  const table = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
  table.push(...rows.map((row) => [...row]));
  return `\n${title}\n${table.toString()}`;
}
