import { access, readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeTimeoutFor, resolveOptions } from '../../src/redlock/options.ts';
import { codeIn, firstCodeIn, sectionOf, tableUnder } from '../support/markdown.ts';
import { README_URLS, shownOn, snippetsIn } from '../support/snippets.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');

let page: string;
beforeAll(async () => {
  page = await read('README.md');
});

describe('README.md', () => {
  it('shows the snippets that are run, here and in test/fleet/readme.test.ts, letter by letter', async () => {
    const run = await snippetsIn(new URL('./readme/snippets/', import.meta.url));
    expect(shownOn(page).toSorted()).toEqual(run.toSorted());
  });

  it.each(['src/index.ts', 'src/fencing/index.ts', 'src/testing/index.ts'])(
    'names every export of %s',
    async (index) => {
      const named = new Set(codeIn(page).flatMap((code) => code.split(/\W+/)));
      const exported = exportsOf(await read(index));
      expect(exported.length).toBeGreaterThan(10);
      expect(exported.filter((name) => !named.has(name))).toEqual([]);
    },
  );

  it('says what is not promised before it says how to install', () => {
    const headings = [...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    expect(headings.slice(0, 3)).toEqual(['What it does not promise', 'See it run', 'Install']);
    const section = sectionOf(page, '## What it does not promise');
    for (const subject of [/paused/, /replicated/, /clocks/i, /list of nodes/, /order/i])
      expect(section).toMatch(subject);
  });

  it('starts the nodes that its program connects to', async () => {
    const compose = await read('docker-compose.redis5.yml');
    const published = [...compose.matchAll(/"(127\.0\.0\.1:\d+):6379"/g)].map(
      ([, address]) => `redis://${address}`,
    );
    expect(published).toEqual(README_URLS);
  });

  it('links to files and headings that exist', async () => {
    const anchors = [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));
    const targets = [...page.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target);
    expect(targets.length).toBeGreaterThan(3);
    for (const target of targets) {
      if (target.startsWith('#')) expect(anchors).toContain(target.slice(1));
      else await access(new URL(target, root));
    }
  });

  it('names npm scripts that exist', async () => {
    const { scripts } = JSON.parse(await read('package.json')) as { scripts: Record<string, string> };
    const named = [...page.matchAll(/npm (?:run ([\w:]+)|(start|test)\b)/g)].map(
      ([, run, short]) => run ?? short,
    );
    expect(named.length).toBeGreaterThan(5);
    for (const name of named) expect(Object.keys(scripts)).toContain(name);
  });
});

describe("README.md's tables of options", () => {
  const rows = () => tableUnder(page, '## Options');

  it('have every option, in the order of the types', async () => {
    const source = await read('src/redlock/options.ts');
    const call = ['TryAcquireOptions', 'AcquireOptions', 'UsingOptions'];
    const namesIn = (table: readonly (readonly string[])[]) => table.map(([name = '']) => firstCodeIn(name));
    expect(namesIn(rows())).toEqual(fieldsOf(source, 'RedlockOptions'));
    expect(namesIn(tableUnder(page, '### Options of a call'))).toEqual(
      call.flatMap((type) => fieldsOf(source, type)),
    );
  });

  it('say what the defaults are', () => {
    const settings = resolveOptions({});
    const actual = new Map<string, unknown>(Object.entries(settings));
    for (const [option = '', , fallback = ''] of rows()) {
      const name = firstCodeIn(option);
      if (name === 'onWarning') expect(fallback).toBe('`process.emitWarning`');
      else if (name === 'driver') expect(fallback).toBe('the first that is installed');
      else if (name === 'nodeTimeout') expect(fallback).toBe('¼ of the ttl');
      else if (name === 'clock' || name === 'random') expect(fallback).toBe("the system's");
      else expect(literal(firstCodeIn(fallback)), name).toBe(actual.get(name));
    }
  });

  it('say that a nodeTimeout is a quarter of the ttl', () => {
    const settings = resolveOptions({});
    const [, , fallback] = rows().find(([option]) => option === '`nodeTimeout`') ?? [];
    expect(fallback).toBe('¼ of the ttl');
    expect([10_000, 199, 100].map((ttl) => nodeTimeoutFor(settings, ttl))).toEqual([2_500, 49, 25]);
  });

  it('say what the bounds of numbers are', () => {
    const numbers = rows().filter(([, , , bound = '']) => /^(?:integer|number),/.test(bound));
    expect(numbers).toHaveLength(8);
    for (const [option = '', , , bound = ''] of numbers) {
      const name = firstCodeIn(option);
      const resolve = (value: number) => () => resolveOptions({ [name]: value });
      const { kind, least, most } = boundsOf(name, bound);
      // What clock drift takes keeps the very smallest ttls out.
      const smallest = name === 'ttl' || name === 'maxTtl' ? 4 : least;
      expect(resolve(smallest), `${name} ${smallest}`).not.toThrow();
      expect(resolve(most), `${name} ${most}`).not.toThrow();
      const outside = [least - 1, most === Number.POSITIVE_INFINITY ? Number.NaN : most + 1];
      if (kind === 'integer') outside.push(smallest + 0.5);
      for (const value of outside) expect(resolve(value), `${name} ${value}`).toThrow(RangeError);
    }
  });
});

describe("README.md's tables of what can go wrong", () => {
  it('have every class of error with its code', async () => {
    const source = await read('src/base/errors.ts');
    const classes = [...source.matchAll(/class (\w+) extends QuorlockError \{\s+readonly code = '(\w+)'/g)];
    const codes = [...source.matchAll(/^ {2}\| '(QUORLOCK_\w+)'/gm)].map(([, code = '']) => code);
    const shown = tableUnder(page, '## Errors').map(([name = '', code = '']) =>
      [name, code].map(firstCodeIn),
    );
    expect(shown.toSorted()).toEqual(classes.map(([, name, code]) => [name, code]).toSorted());
    expect(shown.map(([, code]) => code).toSorted()).toEqual(codes.toSorted());
  });

  it('say what each error carries', async () => {
    const source = await read('src/base/errors.ts');
    const rows = tableUnder(page, '## Errors');
    for (const [, name, body = ''] of source.matchAll(/class (\w+) extends QuorlockError \{(.*?)^\}/gms)) {
      const [, , when] = rows.find(([shown]) => shown === `\`${name}\``) ?? [];
      const fields = [...body.matchAll(/^ {2}readonly (\w+):/gm)].map(([, field]) => field);
      for (const field of fields) expect(when).toContain(`also carries \`${field}\``);
    }
    const base = /class QuorlockError extends Error \{(.*?)constructor/s.exec(source)?.[1] ?? '';
    const common = codeIn(sectionOf(page, '## Errors').split('| Class')[0] ?? '');
    for (const [, field] of base.matchAll(/readonly (\w+):/g)) expect(common).toContain(field);
  });

  it('have every warning', async () => {
    const source = await read('src/base/warning.ts');
    const codes = [...source.matchAll(/'(QUORLOCK_\w+)'/g)].map(([, code]) => code);
    expect(tableUnder(page, '## Warnings').map(([code = '']) => firstCodeIn(code))).toEqual(codes);
  });

  it('have every vote and every reason why there is none', async () => {
    const source = await read('src/base/vote.ts');
    const named = codeIn(sectionOf(page, '## Errors'));
    const [, union = ''] = /type FailureReason =(.*?);/s.exec(source) ?? [];
    const reasons = [...union.matchAll(/'(\w+)'/g)];
    const outcomes = [...source.matchAll(/outcome: '(\w+)'/g)];
    expect([reasons.length, outcomes.length]).toEqual([9, 7]);
    for (const [, name] of [...reasons, ...outcomes]) expect(named).toContain(name);
  });
});

describe('the other pages', () => {
  it('CHANGELOG.md has the version of package.json', async () => {
    const { version } = JSON.parse(await read('package.json')) as { version: string };
    expect(await read('CHANGELOG.md')).toContain(version);
  });

  it('LICENSE is the one of package.json', async () => {
    const { license } = JSON.parse(await read('package.json')) as { license: string };
    expect(await read('LICENSE')).toMatch(new RegExp(`^${license} License`));
  });
});

/** The names that an index exports: a list of lists, as test/tidy.test.ts makes sure. */
function exportsOf(index: string): readonly string[] {
  return [...index.matchAll(/export (?:type )?\{([^}]*)\}/g)]
    .flatMap(([, names = '']) => names.split(','))
    .map((name) => name.replace('type ', '').trim())
    .filter((name) => name !== '');
}

/** The fields of an interface of options, in their order. */
function fieldsOf(source: string, type: string): readonly string[] {
  const body = new RegExp(`interface ${type}\\b[^{]*\\{(.*?)^\\}`, 'ms').exec(source)?.[1] ?? '';
  return [...body.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, field = '']) => field);
}

/** The anchor that a heading gets. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

/** What a code span says, as the value that it stands for. */
function literal(code: string): unknown {
  if (code === 'true' || code === 'false') return code === 'true';
  const [, text] = /^'(.*)'$/.exec(code) ?? [];
  return text ?? Number(code.replaceAll('_', ''));
}

/** Reads "integer, 1 to `maxTtl`; …". Where a word stands for a number, that is the default of what it names. */
function boundsOf(name: string, bound: string) {
  const [, kind, least = '', most = ''] = /^(integer|number), (.+?) to ([^\s;]+)/.exec(bound) ?? [];
  const { ttl, maxTtl } = resolveOptions({});
  const numberOf = (term: string) =>
    term === '`maxTtl`' ? maxTtl : Number(literal(term.replaceAll('`', '')));
  const sumOf = (terms: string) => terms.split(' + ').reduce((sum, term) => sum + numberOf(term), 0);
  return { kind, least: sumOf(least), most: name === 'nodeTimeout' ? ttl - 1 : sumOf(most) };
}
