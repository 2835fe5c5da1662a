/** Text as it must be written in a document. */
export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** A table that both the terminal and the page show. */
export interface TextTable {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A table with its title, in a box of its own, which scrolls if it is too wide. */
export function tableHtml({ title, head, rows }: TextTable): string {
  const cells = (tag: 'th' | 'td', row: readonly string[]) =>
    `<tr>${row.map((cell) => `<${tag}${isText(cell) ? ' class="text"' : ''}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return `<h3>${escaped(title)}</h3>
<div class="table" tabindex="0" role="region" aria-label="${escaped(title)}">
<table><thead>${cells('th', head)}</thead>
<tbody>${rows.map((row) => cells('td', row)).join('\n')}</tbody></table></div>`;
}

/** Numbers stand at the right of their column, and words at its left. */
function isText(cell: string): boolean {
  return !/^[\d−-]/.test(cell);
}

export function paragraphs(...texts: readonly string[]): string {
  return texts.map((text) => `<p>${escaped(text)}</p>`).join('\n');
}
