// Counts hard words and long sentences in what people read: pages, comments, names of tests and messages.
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import Table from 'cli-table3';
import { passagesOf } from './prose/passages.ts';
import { type Finding, findingsIn, type Rules } from './prose/rules.ts';
import { optionsOf, positive, runCommand } from './support/arguments.ts';

const HELP = `Usage: npm run prose -- [options]

Counts hard words and long sentences in what people read: pages, comments, names of tests, and messages. prose.json
has the words, the length of a sentence, and how many longer ones a folder may have.

Options:
  --folder F   only this folder; may be given several times. Default: those of prose.json
  --worst N    how many of the longest sentences to print; default 10
  --all        print every finding
  --help       this text

Exit code: 0 if no folder has more than it may have, 1 if one has, 2 for wrong arguments.
`;

const root = new URL('../', import.meta.url);
const rules = JSON.parse(readFileSync(new URL('prose.json', root), 'utf8')) as Rules;

interface Place extends Finding {
  readonly path: string;
}

/** Written by machines, as docs/rules.md, which is a table of the names of tests; or in another language. */
const SKIPPED = /\.api\.md$|(?:^|\/)docs\/rules\.md$|(?:^|\/)README-zh-CN\.md$|(?:^|\/)node_modules\//;

async function pathsIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(new URL(`${folder}/`, root), { recursive: true });
  const paths = names.map((name) => `${folder}/${name.replaceAll('\\', '/')}`);
  return paths.filter((path) => /\.(?:md|lua|[cm]?ts|mjs)$/.test(path) && !SKIPPED.test(path)).toSorted();
}

async function placesIn(folder: string): Promise<readonly Place[]> {
  const places: Place[] = [];
  for (const path of await pathsIn(folder)) {
    const passages = passagesOf(path, readFileSync(new URL(path, root), 'utf8'));
    places.push(...(await findingsIn(passages, rules)).map((finding) => ({ ...finding, path })));
  }
  return places;
}

const describe = ({ path, line, length, message }: Place) =>
  `${path}:${line}  ${length === 0 ? '' : `${length} words: `}${message}`;

async function main(folders: readonly string[], worst: number, all: boolean): Promise<boolean> {
  const found = new Map<string, readonly Place[]>();
  for (const folder of folders) found.set(folder, await placesIn(folder));
  const table = new Table({
    head: ['folder', 'hard words', 'sentences too long', 'allowed'],
    style: { head: [], border: [] },
  });
  let isGood = true;
  for (const [folder, places] of found) {
    const words = places.filter(({ kind }) => kind === 'word');
    const long = places.length - words.length;
    const allowed = rules.sentences[folder] ?? 0;
    table.push([folder, words.length, long, allowed]);
    isGood &&= words.length <= rules.mostWords && long <= allowed;
  }
  const places = [...found.values()].flat();
  const words = places.filter(({ kind }) => kind === 'word');
  const long = places.filter(({ kind }) => kind === 'sentence').toSorted((a, b) => b.length - a.length);
  for (const place of words) console.log(describe(place));
  for (const place of all ? long : long.slice(0, worst)) console.log(describe(place));
  console.log(table.toString());
  return isGood;
}

await runCommand({
  name: 'npm run prose --',
  help: HELP,
  parse: (args) => {
    const values = optionsOf(args, {
      folder: { type: 'string', multiple: true },
      worst: { type: 'string' },
      all: { type: 'boolean' },
    });
    const { folder = Object.keys(rules.sentences), all = false, help = false } = values;
    return { folders: folder, worst: positive('--worst', values.worst, 10), all, help };
  },
  run: ({ folders, worst, all }) => main(folders, worst, all),
});
