import { type Change, type Side, type Variant, variantsOf } from './change.ts';
import type { Notice } from './trial.ts';

const NAMES: Readonly<Record<Side, string>> = { lua: 'scripts', model: 'model', code: 'library' };

/** Where a variant takes the rule out. */
export function whereOf({ sides }: Variant): string {
  return sides.map((side) => NAMES[side]).join(' and ');
}

/** Names a variant. */
export function keyOf(variant: Variant): string {
  return `${variant.change.name} | ${whereOf(variant)}`;
}

/** The test that notices each variant, by {@link keyOf}. */
export type Notices = ReadonlyMap<string, Notice | undefined>;

const escaped = (text: string) =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('|', '&#124;')
    .replaceAll('<', '&lt;')
    .replaceAll('{{', '&#123;{')
    .replace(/\s+/g, ' ');

const plain = (text: string) =>
  text.replaceAll('&#123;', '{').replaceAll('&lt;', '<').replaceAll('&#124;', '|').replaceAll('&amp;', '&');

/** One row a rule, and in it one line for each place where it is taken out. */
function rowOf(change: Change, notices: Notices): string {
  const lines = variantsOf(change).map((variant) => {
    const notice = notices.get(keyOf(variant));
    const test = notice === undefined ? 'none' : `\`${notice.file}\` › ${escaped(notice.test)}`;
    return `${whereOf(variant)}: ${test}`;
  });
  return `| ${escaped(change.name)} | ${lines.join('<br>')} |`;
}

function tableOf(changes: readonly Change[], notices: Notices): string {
  const head = ['| What is taken out | Of what, and the test that notices |', '| --- | --- |'];
  return [...head, ...changes.map((change) => rowOf(change, notices))].join('\n');
}

/** The tests that a page names. */
export function noticesIn(page: string): Map<string, Notice | undefined> {
  const notices = new Map<string, Notice | undefined>();
  for (const [, name = '', lines = ''] of page.matchAll(/^\| (.+?) \| (.+) \|$/gm)) {
    for (const line of lines.split('<br>')) {
      const [, where = '', file = '', test = ''] = /^([a-z ]+): `([^`]+)` › (.+)$/.exec(line) ?? [];
      if (file !== '') notices.set(`${plain(name)} | ${where}`, { file, test: plain(test) });
    }
  }
  return notices;
}

/** The whole page. */
export function pageOf(rules: readonly Change[], faults: readonly Change[], notices: Notices): string {
  return `# Rules, and the tests that notice when one is gone

\`npm run rules -- --accept\` writes this page. It takes each rule of the protocol out of a copy of the sources, and runs tests until
one fails. A rule is taken out of the Lua scripts; of their model, which simulated nodes run; of both, which then agree, so that
a comparison of the two notices nothing; or of the library's own code. \`scripts/rules/rules.ts\` has the texts that are replaced.

## Rules

${tableOf(rules, notices)}

## Faults

The worst faults of the project so far, and of other libraries, brought back in the same way (\`scripts/rules/faults.ts\`).

${tableOf(faults, notices)}
`;
}
