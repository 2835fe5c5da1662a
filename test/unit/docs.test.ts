import { readdir, readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { codeIn, sectionOf, tableUnder } from '../support/markdown.ts';
import { shownOn, snippetsIn } from '../support/snippets.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');

/** What every lock library must have an answer to. */
const FAILURES = [
  'Pause after the check',
  'Pause while acquiring',
  'Suspended host',
  'Holder set back to a snapshot',
  'Lock value used twice',
  'Program told to end',
  'Using inside of a using',
  'Unequal maxTtl',
  'Unequal settings for what nodes keep',
  'Node clock steps forward',
  'All clocks leap ahead',
  'Node clock steps back',
  'Node clock drifts',
  'Node clock stands still',
  'Own clocks disagree',
  'Fake timers',
  'Crash without fsync',
  'AOF everysec',
  'FLUSHALL',
  'Old snapshot restored',
  'Failover',
  'Eviction',
  'Late ACQUIRE',
  'Doubled command',
  'Offline queue',
  'A client that the program goes on using',
  "An answer that is none of the script's",
  'A fence counter that is overwritten',
  'Hung promise',
  'Outage of a majority',
  'More calls than can be made',
  'Refused release',
  'Shortening extension',
  'Extension racing expiry and release',
  'A lock that is sent twice',
  'Split vote',
  'Call lost or forged',
  'First in line dead or hung',
  'Overlapping sets',
  'Even number of nodes',
  'Same server twice',
  'Wrong address, password or protocol',
  'Address of another server',
  'Server that lacks something',
  'Different lists, databases or prefixes',
  'Changing the node list',
];

const pages: Record<string, string> = {};
beforeAll(async () => {
  const files = (await readdir(new URL('docs/', root))).filter((file) => file.endsWith('.md'));
  for (const path of ['README.md', 'README-zh-CN.md', ...files.map((file) => `docs/${file}`)]) {
    pages[path] = await read(path);
  }
});
/** A page; the failures are on several. */
const page = (name: string) =>
  Object.entries(pages)
    .filter(([path]) => path.startsWith(`docs/${name}`))
    .map(([, text]) => text)
    .join('\n');

/** Folders of files that are linted, type-checked and run by tests, and shown on pages. */
const SNIPPET_FOLDERS = [
  'test/unit/docs/snippets/',
  'test/unit/fencing/snippets/',
  'test/unit/observing/snippets/',
  'examples/clients/',
  'examples/recipes/',
  'examples/running-it/',
];

/** Code that another test takes from the page itself and runs. */
const RUN_FROM_THE_PAGE: Readonly<Record<string, RegExp>> = {
  'docs/migrating.md': /./,
  'docs/testing.md': /from '(?:vitest|@jest\/globals)'/,
};

describe('the pages', () => {
  it('show code that tests run, letter by letter, and all of it', async () => {
    const run = (await Promise.all(SNIPPET_FOLDERS.map((path) => snippetsIn(new URL(path, root))))).flat();
    const shown = Object.entries(pages).flatMap(([path, text]) =>
      shownOn(text).map((code) => ({ path, code })),
    );
    expect(
      shown.filter(({ path, code }) => !run.includes(code) && !RUN_FROM_THE_PAGE[path]?.test(code)),
    ).toEqual([]);
    const codes = new Set(shown.map(({ code }) => code));
    expect(run.filter((code) => !codes.has(code))).toEqual([]);
  });

  it('link to pages and headings that exist', async () => {
    const dangling: string[] = [];
    for (const [path, text] of Object.entries(pages)) {
      for (const [, link = ''] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(link)) continue;
        const [file = '', anchor] = link.split('#');
        const target = file === '' ? new URL(path, root) : new URL(file, new URL(path, root));
        const there = await readFile(target, 'utf8').catch(() => undefined);
        const isThere = there !== undefined && (anchor === undefined || anchorsOf(there).includes(anchor));
        if (!isThere) dangling.push(`${path}: ${link}`);
      }
    }
    expect(dangling).toEqual([]);
  });

  it('say what they are for in their first sentence', () => {
    for (const [path, text] of Object.entries(pages)) {
      if (path.startsWith('docs/')) expect(text, path).toMatch(/^# .+\n\n[A-Z`][^#|]{20,}/);
    }
  });

  it('have at most 250 lines', () => {
    const long = Object.entries(pages).filter(([, text]) => text.split('\n').length - 1 > 250);
    expect(long.map(([path]) => path)).toEqual([]);
  });
});

describe.each(['guarantees', 'failures'])('docs/%s.md', (name) => {
  it('names tests that exist', async () => {
    const references = referencesIn(page(name));
    expect(references.length).toBeGreaterThan(20);
    const strays: string[] = [];
    for (const { file, test } of references) {
      const names = namesIn(await read(file).catch(() => ''));
      if (!names.has(test)) strays.push(`${file} › ${test}`);
    }
    expect(strays).toEqual([]);
  });

  it('names warnings, errors and options as they are', async () => {
    const source = await sourceOf();
    const words = codeIn(page(name)).flatMap((code) => code.match(/^QUORLOCK_\w+$|^\w+Error$/) ?? []);
    for (const word of words) expect(source).toContain(word);
  });
});

describe('docs/clients.md', () => {
  it('has every member of the port', async () => {
    const port = (await read('src/wire/client.ts')).split('export interface Client {')[1] ?? '';
    const members = [...port.matchAll(/^ {2}(?:readonly )?(\w+)[(:]/gm)].map(([, member = '']) => member);
    expect(members.length).toBeGreaterThan(8);
    const shown = sectionOf(await read('docs/clients.md'), '## A driver of your own');
    for (const member of members) expect(shown).toMatch(new RegExp(`\`${member}\\b`));
  });

  it('names the versions that the package asks for', async () => {
    const { peerDependencies } = JSON.parse(await read('package.json')) as {
      peerDependencies: Readonly<Record<string, string>>;
    };
    const rows = tableUnder(await read('docs/clients.md'), '## Which clients can be nodes');
    for (const [name, range] of Object.entries(peerDependencies)) {
      if (name === '@opentelemetry/api') continue;
      const row = rows.find(([cell = '']) => cell.startsWith(`\`${name}\``));
      expect(row?.[1], name).toBe(range.replaceAll(' || ', ', '));
    }
  });
});

describe('docs/guarantees.md', () => {
  it('has for every promise what it needs, what breaks it, and a test', () => {
    const promises = sectionOf(page('guarantees'), '## The promises').split(/^### /m).slice(1);
    expect(promises.length).toBeGreaterThan(5);
    for (const promise of promises) {
      const leads = [...promise.matchAll(/^- \*\*([A-Za-z]+):\*\*/gm)].map(([, lead]) => lead);
      expect(leads, promise).toEqual(['Needs', 'Breaks', 'Tests']);
      expect(referencesIn(promise).length, promise).toBeGreaterThan(0);
    }
  });

  it('says what is never promised, and whose every assumption is', () => {
    expect(sectionOf(page('guarantees'), '## Never promised')).toMatch(/^- \*\*/m);
    const owners = tableUnder(page('guarantees'), '## Whose assumption it is').map(([, whose = '']) => whose);
    expect(new Set(owners.map((whose) => whose.split(',')[0]))).toEqual(
      new Set(['operator', 'user', 'quorlock']),
    );
  });
});

describe('docs/failures.md and the pages beside it', () => {
  it('has every failure of the catalogue', () => {
    const headings = [...page('failures').matchAll(/^### (.*)$/gm)].map(([, heading]) => heading);
    expect(headings.toSorted()).toEqual(FAILURES.toSorted());
  });

  it.each(FAILURES)(
    'says of "%s" what happens, what is done, what is left to do, and shows it',
    (failure) => {
      const section = sectionOf(page('failures'), `### ${failure}`);
      const leads = [...section.matchAll(/^- \*\*([A-Za-z ]+)/gm)].map(([, lead]) => lead);
      expect(leads).toEqual(['What happens', 'quorlock', 'You', 'Tests']);
      expect(referencesIn(section).length).toBeGreaterThan(0);
    },
  );

  it('names every test of the failures', async () => {
    const named = new Set(referencesIn(page('failures')).map(({ file, test }) => `${file} › ${test}`));
    for (const folder of ['test/unit/failures/', 'test/fleet/failures/']) {
      const files = (await readdir(new URL(folder, root))).filter((file) => file.endsWith('.test.ts'));
      expect(files.length).toBeGreaterThan(1);
      for (const file of files.map((each) => folder + each)) {
        const missing = [...testsIn(await read(file))].filter((test) => !named.has(`${file} › ${test}`));
        expect(missing, file).toEqual([]);
      }
    }
  });
});

interface Reference {
  readonly file: string;
  readonly test: string;
}

/** The tests that a text names, each as `file › name`. */
function referencesIn(text: string): readonly Reference[] {
  return codeIn(text).flatMap((code) => {
    const [, file, test] = /^(test\/\S+\.test\.ts) › (.+)$/.exec(code) ?? [];
    return file === undefined || test === undefined ? [] : [{ file, test }];
  });
}

const CALL = /\b(describe|it|test)(?:\.\w+)*(?:<[^()]*?>)?\(/;
const NAME = /\(\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"),/g;

/** Every text that stands where a test or a group of tests has its name. */
function namesIn(source: string): ReadonlySet<string> {
  return new Set([...source.matchAll(NAME)].map(([, single, double]) => single ?? double ?? ''));
}

/** The names of the tests alone. */
function testsIn(source: string): ReadonlySet<string> {
  const lines = source.split(new RegExp(`^ *(?=${CALL.source})`, 'm'));
  const tests = lines.filter((part) => /^(?:it|test)\b/.test(part));
  return new Set(tests.flatMap((part) => [...namesIn(part)].slice(0, 1)));
}

/** A page without its code, where brackets are no links. */
function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]*`/g, '');
}

function anchorsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-'),
  );
}

async function sourceOf(): Promise<string> {
  return (await Promise.all(['src/base/errors.ts', 'src/base/warning.ts'].map(read))).join('\n');
}
