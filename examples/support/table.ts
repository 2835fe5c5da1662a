import Table from 'cli-table3';

const LONGEST_BAR = 24;

/** A bar of a chart, and what it stands for. */
export function bar(value: number, largest: number): string {
  const length = largest === 0 ? 0 : Math.round((LONGEST_BAR * value) / largest);
  return `${'█'.repeat(length)} ${value.toFixed(0)}`.trim();
}

/** Prints a table, without colours, since it may go to a file. */
export function printTable(
  title: string,
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): void {
  const table = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
  table.push(...rows.map((row) => [...row]));
  console.log(`\n${title}\n${table.toString()}`);
}
