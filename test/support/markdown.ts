/** The first table below a heading, row by row and cell by cell, without the names of its columns. */
export function tableUnder(page: string, heading: string): readonly (readonly string[])[] {
  const [, table = ''] = /((?:^\|.*\n)+)/m.exec(sectionOf(page, heading)) ?? [];
  const rows = table.split('\n').filter((line) => line !== '');
  return rows.slice(2).map((row) => {
    const cells = row.split('|').slice(1, -1);
    return cells.map((cell) => cell.trim());
  });
}

/** What stands between a heading and the next one of its level or above. */
export function sectionOf(page: string, heading: string): string {
  const [, rest] = page.split(`\n${heading}\n`);
  if (rest === undefined) throw new Error(`there is no heading "${heading}"`);
  const [level = ''] = heading.split(' ');
  return rest.split(new RegExp(`^#{1,${level.length}} `, 'm'))[0] ?? '';
}

/** What stands in code spans. */
export function codeIn(text: string): readonly string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}

/** What stands in the first of them. */
export function firstCodeIn(text: string): string {
  return codeIn(text)[0] ?? '';
}
