import { chartHtml } from './chart.ts';
import { escaped, paragraphs, tableHtml } from './html.ts';
import type { Section } from './section.ts';
import { STYLE } from './style.ts';

/** A report as one document, which needs no network. `body` is HTML, and so is what comes after it: scripts, if there are any. */
export function documentHtml(title: string, body: string, style = STYLE, scripts = ''): string {
  const allowed = scripts === '' ? '' : " script-src 'unsafe-inline';";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline';${allowed} img-src data:">
<title>${escaped(title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<main>
${body}
</main>
${scripts}
</body>
</html>
`;
}

export function sectionHtml({ title, text, charts, tables }: Section): string {
  return `<section>
<h2>${escaped(title)}</h2>
${paragraphs(...text)}
${charts.map(chartHtml).join('\n')}
${tables.map(tableHtml).join('\n')}
</section>`;
}
