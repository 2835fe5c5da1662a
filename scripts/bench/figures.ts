import Table from 'cli-table3';

function ascending(list: readonly number[]): readonly number[] {
  return [...list].sort((a, b) => a - b);
}

/** The value below which a share `q` of a list lies. */
export function quantile(list: readonly number[], q: number): number {
  const sorted = ascending(list);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/** A table without colours: it may be read in a file. */
export function printTable(head: string[], rows: readonly (string | number)[][]): void {
  const table = new Table({ head, style: { head: [], border: [] } });
  table.push(...rows);
  console.log(table.toString());
}
