import { readdir, readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeTimeoutFor } from '../../src/lock/lease.ts';
import { resolveOptions } from '../../src/redlock/options.ts';
import { codeIn, firstCodeIn, sectionOf, tableUnder } from '../support/markdown.ts';
import { README_PORTS } from '../support/snippets.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');

/** Where the calls, the options and the errors of the package are told. */
const REFERENCE = ['api', 'sharing', 'options', 'errors', 'clients', 'observing', 'status'];

let page: string;
let options: string;
let errors: string;
let reference: string;
beforeAll(async () => {
  page = await read('README.md');
  const pages = await Promise.all(REFERENCE.map((name) => read(`docs/${name}.md`)));
  [, , options = '', errors = ''] = pages;
  reference = pages.join('\n');
});

describe('README.md', () => {
  it('has at most 200 lines', () => expect(page.split('\n').length - 1).toBeLessThanOrEqual(200));

  it('shows a program first, and says what is not promised before it compares', () => {
    const headings = [...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual([
      'Install',
      'A first lock',
      'Which lock do I want',
      'Why this one',
      'What it does not promise',
      'Run it',
      'Beside its peers',
      'Documentation',
    ]);
    const section = sectionOf(page, '## What it does not promise');
    for (const subject of [/paused/, /replicated/, /clocks/i, /list of nodes/, /order/i])
      expect(section).toMatch(subject);
  });

  it('starts the nodes that its program connects to', async () => {
    const compose = await read('docker-compose.redis5.yml');
    const published = [...compose.matchAll(/"127\.0\.0\.1:(\d+):6379"/g)].map(([, port]) => Number(port));
    expect(published).toEqual(README_PORTS);
  });

  it('names npm scripts that exist', async () => {
    const { scripts } = JSON.parse(await read('package.json')) as { scripts: Record<string, string> };
    const named = [...page.matchAll(/npm (?:run ([\w:]+)|(start|test)\b)/g)].map(
      ([, run, short]) => run ?? short,
    );
    expect(named.length).toBeGreaterThan(3);
    for (const name of named) expect(Object.keys(scripts)).toContain(name);
  });

  it('leads to every page of docs', async () => {
    const pages = (await readdir(new URL('docs/', root))).filter((file) => file.endsWith('.md'));
    const told =
      page +
      (await Promise.all(['api', 'failures', 'recipes'].map((name) => read(`docs/${name}.md`)))).join();
    for (const file of pages) expect(told).toContain(file);
  });
});

describe('the reference in docs', () => {
  it.each(['src/index.ts', 'src/fencing/index.ts', 'src/testing/index.ts'])(
    'names every export of %s',
    async (index) => {
      const named = new Set(codeIn(reference).flatMap((code) => code.split(/\W+/)));
      const exported = exportsOf(await read(index));
      expect(exported.length).toBeGreaterThan(10);
      expect(exported.filter((name) => !named.has(name))).toEqual([]);
    },
  );

  it('names every member of the emitted types', async () => {
    const headings = [...reference.matchAll(/^### (.*)$/gm)].map(([, heading = '']) => heading);
    const named = new Set([...codeIn(reference), ...headings].flatMap((text) => text.split(/\W+/)));
    const missing: string[] = [];
    for (const { type, members } of typesIn(await read('test/package/api/index.api.md'))) {
      // What a program fills in for a test or a driver, and does not call.
      if (['AbortSignalLike', 'Clock', 'Random', 'Timer'].includes(type)) continue;
      missing.push(...members.filter((name) => !named.has(name)).map((name) => `${type}.${name}`));
    }
    expect(missing).toEqual([]);
  });

  it('has a heading for every call of a Redlock, with the arguments of the emitted types', async () => {
    const emitted = await read('test/package/api/index.api.md');
    const [, body = ''] = /^export class Redlock \{(.*?)^\}/ms.exec(emitted) ?? [];
    const calls = new Map(
      [...body.matchAll(/^ {4}(\w+)(?:<\w+>)?\((.*)\): /gm)]
        .filter(([, name]) => name !== 'constructor')
        .map(([, name = '', parameters = '']) => [name, parameters] as const),
    );
    expect(calls.size).toBeGreaterThan(7);
    const code = new Set(codeIn(reference));
    for (const [name, parameters] of calls) {
      expect(reference).toMatch(new RegExp(`^## .*redlock\\.${name}\\b`, 'm'));
      const names = [...parameters.matchAll(/(\w+)(\??): ([^,]*)/g)].map(
        ([, parameter, optional, type = '']) =>
          parameter + (optional || (type.includes('undefined') ? '?' : '')),
      );
      expect(code).toContain(`${name}(${names.join(', ')})`);
    }
  });
});

describe('docs/options.md', () => {
  /** Name, default and bound of each option of the constructor. */
  const rows = () =>
    [
      ...sectionOf(options, '## Options of the constructor').matchAll(
        /^### (\w+)\n\n- \*\*Unit:\*\* .+\. \*\*Default:\*\* (.+)\n- \*\*Bound:\*\* (.+)\n\n(?:.+\n)*?.*\*\*Risk:\*\*/gm,
      ),
    ].map(([, name = '', fallback = '', bound = '']) => ({ name, fallback, bound }));

  it('has every option, in the order of the types, with unit, default, bound and risk', async () => {
    const source = await read('src/redlock/options.ts');
    const call = ['TryAcquireOptions', 'AcquireOptions', 'UsingOptions'];
    const namesIn = (table: readonly (readonly string[])[]) => table.map(([name = '']) => firstCodeIn(name));
    expect(rows().map(({ name }) => name)).toEqual(fieldsOf(source, 'RedlockOptions'));
    expect(namesIn(tableUnder(options, '## Options of a call'))).toEqual(
      call.flatMap((type) => fieldsOf(source, type)),
    );
  });

  it('says what the defaults are', () => {
    const settings = resolveOptions({});
    const actual = new Map<string, unknown>(Object.entries(settings));
    for (const { name, fallback } of rows()) {
      if (name === 'owner') expect(fallback).toBe('`<host name>:<process id>`');
      else if (name === 'onWarning') expect(fallback).toBe('`process.emitWarning`');
      else if (name === 'driver') expect(fallback).toBe('the first that is installed');
      else if (name === 'nodeTimeout') expect(fallback).toBe('¼ of the ttl');
      else if (name === 'clock' || name === 'random') expect(fallback).toBe("the system's");
      else expect(literal(firstCodeIn(fallback)), name).toBe(actual.get(name));
    }
  });

  it('says that a nodeTimeout is a quarter of the ttl', () => {
    const settings = resolveOptions({});
    expect(rows().find(({ name }) => name === 'nodeTimeout')?.fallback).toBe('¼ of the ttl');
    expect([10_000, 199, 100].map((ttl) => nodeTimeoutFor(settings, ttl))).toEqual([2_500, 49, 25]);
  });

  it('says what the bounds of numbers are', () => {
    const numbers = rows().filter(({ bound }) => /^(?:integer|number),/.test(bound));
    expect(numbers).toHaveLength(8);
    for (const { name, bound } of numbers) {
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

describe('docs/errors.md', () => {
  it('has every class of error with its code', async () => {
    const source = await read('src/base/errors.ts');
    const classes = [...source.matchAll(/class (\w+) extends QuorlockError \{\s+readonly code = '(\w+)'/g)];
    const codes = [...source.matchAll(/^ {2}\| '(QUORLOCK_\w+)'/gm)].map(([, code = '']) => code);
    const shown = tableUnder(errors, '## Errors').map(([name = '', code = '']) =>
      [name, code].map(firstCodeIn),
    );
    expect(shown.toSorted()).toEqual(classes.map(([, name, code]) => [name, code]).toSorted());
    expect(shown.map(([, code]) => code).toSorted()).toEqual(codes.toSorted());
  });

  it('says what each error carries', async () => {
    const source = await read('src/base/errors.ts');
    const rows = tableUnder(errors, '## Errors');
    for (const [, name, body = ''] of source.matchAll(/class (\w+) extends QuorlockError \{(.*?)^\}/gms)) {
      const [, , when] = rows.find(([shown]) => shown === `\`${name}\``) ?? [];
      const fields = [...body.matchAll(/^ {2}readonly (\w+):/gm)].map(([, field]) => field);
      for (const field of fields) expect(when).toContain(`also carries \`${field}\``);
    }
    const base = /class QuorlockError extends Error \{(.*?)constructor/s.exec(source)?.[1] ?? '';
    const common = codeIn(sectionOf(errors, '## Errors').split('| Class')[0] ?? '');
    for (const [, field] of base.matchAll(/readonly (\w+):/g)) expect(common).toContain(field);
  });

  it('has every warning', async () => {
    const source = await read('src/base/warning.ts');
    const codes = [...source.matchAll(/'(QUORLOCK_\w+)'/g)].map(([, code]) => code);
    expect(tableUnder(errors, '## Warnings').map(([code = '']) => firstCodeIn(code))).toEqual(codes);
  });

  it('has every vote and every reason why there is none', async () => {
    const source = await read('src/base/vote.ts');
    const named = codeIn(sectionOf(errors, '## Votes'));
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

/** The classes and interfaces of a report of emitted types, each with the names of its members. */
function typesIn(report: string): readonly { readonly type: string; readonly members: readonly string[] }[] {
  return [...report.matchAll(/^export (?:abstract )?(?:class|interface) (\w+)[^{]*\{(.*?)^\}/gms)].map(
    ([, type = '', body = '']) => ({
      type,
      members: [...body.matchAll(/^ {4}(?:abstract )?(?:readonly |get )?(\w+)[?(:<]/gm)]
        .map(([, member = '']) => member)
        .filter((member) => member !== 'constructor'),
    }),
  );
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
