import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encode, type Operation } from '../../src/wire/operation.ts';
import { batchScript, markerScript } from '../../src/wire/scripts.ts';

const LUA = new URL('../../src/wire/lua/', import.meta.url);

function read(url: URL): string {
  return readFileSync(url, 'utf8');
}

interface LuaFile {
  /** The comment that the file opens with, without its dashes. */
  readonly header: string;
  /** The code, without any comment. */
  readonly body: string;
}

function lua(name: string): LuaFile {
  const lines = read(new URL(`${name}.lua`, LUA)).split('\n');
  const end = lines.findIndex((line) => !line.startsWith('--'));
  const header = lines.slice(0, end).map((line) => line.slice(2));
  const body = lines.slice(end).map((line) => line.replace(/--.*$/, ''));
  return { header: header.join('\n'), body: body.join('\n') };
}

const prelude = lua('prelude');
const batch = lua('batch');
const operationSource = read(new URL('../../src/wire/operation.ts', import.meta.url));

/** Reply codes by name, as the scripts have them. */
function codesOfPrelude(): Readonly<Record<string, number>> {
  const [, names = '', numbers = ''] = /^local ([A-Z, ]+) = ([\d, ]+)$/m.exec(prelude.body) ?? [];
  const values = numbers.split(', ').map(Number);
  return Object.fromEntries(names.split(', ').map((name, index) => [name, values[index] ?? Number.NaN]));
}

const codes = codesOfPrelude();

/** Operations by kind: of every member of the union, or the compiler says which is missing. */
const samples: { readonly [Kind in Operation['kind']]: Operation & { readonly kind: Kind } } = {
  acquire: { kind: 'acquire', keys: ['k'], fences: ['f'], value: 'v', ttl: 1, proposal: 2 },
  confirm: { kind: 'confirm', keys: ['k'], fences: ['f'], value: 'v', token: 2 },
  extend: { kind: 'extend', keys: ['k'], fences: ['f'], value: 'v', ttl: 1, token: 2 },
  release: { kind: 'release', keys: ['k'], value: 'v' },
  inspect: { kind: 'inspect', keys: ['k'], fences: ['f'] },
};
const kinds = Object.keys(samples);

/** What a function of the prelude may answer with, for whoever calls it. */
const repliesOf: Readonly<Record<string, readonly string[]>> = {
  owner_of: repliesIn(functionIn(prelude.body, 'owner_of')),
  refusal: repliesIn(functionIn(prelude.body, 'refusal')),
};

function functionIn(body: string, name: string): string {
  const [source = ''] = new RegExp(`^local function ${name}\\b[\\s\\S]*?^end$`, 'm').exec(body) ?? [];
  return source;
}

/** The reply codes that stand in a piece of code, at the head of a table. */
function repliesIn(code: string): readonly string[] {
  return [...code.matchAll(/\{ ([A-Z]+)\b/g)].map(([, name = '']) => name);
}

function repliesOfHeader(header: string): readonly string[] {
  return [...header.matchAll(/\{([A-Z]+)\b/g)].map(([, name = '']) => name);
}

function sorted(names: Iterable<string>): readonly string[] {
  return [...new Set(names)].sort();
}

describe.each(kinds)('the contract of %s.lua', (kind) => {
  const { header, body } = lua(kind);

  it('names every reply that the code gives, and no other', () => {
    const given = [...repliesIn(body)];
    for (const [name, replies] of Object.entries(repliesOf))
      if (body.includes(`${name}(`)) given.push(...replies);
    expect(sorted(repliesOfHeader(header))).toEqual(sorted(given));
  });

  it('begins with the name of the operation, and describes its four arguments', () => {
    expect(header).toMatch(new RegExp(`^ ${kind.toUpperCase()}: `));
    for (const argument of ['keys', 'value', 'ttl', 'number']) {
      expect(header).toMatch(new RegExp(`^ ${argument} {2,}\\S`, 'm'));
    }
  });

  it('says of arguments that they are unused where the code does not use them', () => {
    const [, parameters = ''] = new RegExp(`^local function ${kind}\\(([^)]*)\\)`, 'm').exec(body) ?? [];
    const [, , value, ttl, number] = parameters.split(', ');
    for (const [name, parameter] of Object.entries({ value, ttl, number })) {
      const isUnused = new RegExp(`^ ${name} +unused$`, 'm').test(header);
      expect({ name, isUnused }).toEqual({ name, isUnused: parameter === undefined || parameter === '_' });
    }
  });
});

describe('reply codes', () => {
  it('are numbered from one, each once', () => {
    expect(Object.values(codes)).toEqual(Object.keys(codes).map((_, index) => index + 1));
  });

  it('are those of the decoder in operation.ts, each under its own outcome', () => {
    const [, table = ''] = /const decoders[\s\S]*?= \{\n([\s\S]*?)\n\};/.exec(operationSource) ?? [];
    const decoders = table.split(/^ {2}(?=\d+:)/m).filter((entry) => entry !== '');
    const outcomes = decoders.map((entry) => {
      const [, code, outcome, reason] =
        /^(\d+):[\s\S]*?(?:outcome: '(\w+)'|failed\('(\w+)')/.exec(entry) ?? [];
      return [outcome?.toUpperCase() ?? reason?.toUpperCase(), Number(code)];
    });
    // A command that failed is a failed vote for the reason 'error'.
    expect(Object.fromEntries(outcomes)).toEqual(
      Object.fromEntries(
        Object.entries(codes).map(([name, code]) => [name === 'FAILED' ? 'ERROR' : name, code]),
      ),
    );
  });

  it('are those of the simulated server', () => {
    const model = read(new URL('../../src/testing/batch-model.ts', import.meta.url));
    const constants = [...model.matchAll(/^const ([A-Z]+) = (\d+);$/gm)].map(([, name, code]) => [
      name,
      Number(code),
    ]);
    expect(Object.fromEntries(constants)).toMatchObject(codes);
  });
});

describe('operations', () => {
  it('are the same in batch.lua, in its contract, in operation.ts and as files', () => {
    const table = [...batch.body.matchAll(/^ {2}(\w+) = (\w+),$/gm)];
    for (const [, name, implementation] of table) expect(implementation).toBe(name);
    expect(sorted(table.map(([, name = '']) => name))).toEqual(sorted(kinds));
    const [, named = ''] = /^ +name +(.*)$/m.exec(batch.header) ?? [];
    expect(sorted(named.split(' | '))).toEqual(sorted(kinds));
    const files = readdirSync(LUA).map((name) => name.replace('.lua', ''));
    expect(sorted(files)).toEqual(sorted([...kinds, 'prelude', 'batch', 'marker']));
  });

  it('are encoded as the arguments that batch.lua takes', () => {
    const [, first, step] = /^for i = (\d+), #ARGV, (\d+) do$/m.exec(batch.body) ?? [];
    const described = batch.header.match(/^ {3,}\w+ {2,}\S/gm);
    expect(described).toHaveLength(Number(step));
    for (const operation of Object.values(samples)) expect(encode(operation)).toHaveLength(Number(step));
    expect(prelude.header).toContain(`ARGV[${first}..]`);
  });

  it.each(Object.entries(samples))(
    '%s carries a number just where it carries fence counters',
    (_, operation) => {
      const number = encode(operation)[4];
      expect(number === '').toBe(!('fences' in operation));
      if ('fences' in operation && operation.kind !== 'confirm') {
        expect(encode({ ...operation, fences: [] })[4]).toBe('');
      }
    },
  );
});

describe('the arguments of a script', () => {
  it.each([
    ['prelude', prelude.header, `${prelude.body}${batch.body}`],
    ['marker', lua('marker').header, lua('marker').body],
  ])('that %s.lua describes are those that are used', (_, header, body) => {
    const mentioned = (text: string) =>
      sorted([...text.matchAll(/(KEYS|ARGV)\[(\d+)\]/g)].map(([match]) => match));
    expect(mentioned(header)).toEqual(mentioned(body));
  });

  it('marker.lua answers as many fields as it says', () => {
    const { header, body } = lua('marker');
    const [, fields = ''] = /^ \{(TIME[^}]*)\}/m.exec(header) ?? [];
    const [, returned = ''] = /^return \{\n([\s\S]*?)\n\}/m.exec(body) ?? [];
    expect(fields.split(', ')).toHaveLength(returned.split('\n').length);
  });
});

describe('the scripts as they are sent', () => {
  it('consist of all files, each under the hash of its text', () => {
    for (const name of ['prelude', ...kinds, 'batch']) {
      expect(batchScript.source).toContain(read(new URL(`${name}.lua`, LUA)));
    }
    expect(batchScript.sha1).toMatch(/^[0-9a-f]{40}$/);
    expect(markerScript.sha1).not.toBe(batchScript.sha1);
  });

  it('set no global variable, which Redis forbids', () => {
    for (const name of ['prelude', ...kinds, 'batch', 'marker']) {
      const { body } = lua(name);
      const locals = [...body.matchAll(/\blocal (?:function )?([\w, ]+?)(?: =|\(|$)/gm)].flatMap(
        ([, names = '']) => names.split(', '),
      );
      const parameters = [...body.matchAll(/function \w+\(([^)]*)\)/g)].flatMap(([, names = '']) =>
        names.split(', '),
      );
      const loops = [...body.matchAll(/\bfor (\w+) =/g)].map(([, variable = '']) => variable);
      const known = new Set([...locals, ...parameters, ...loops]);
      for (const [, assigned = ''] of body.matchAll(/^\s*([a-z_]\w*) = /gm)) {
        // Fields of a table constructor look like assignments; they end with a comma.
        const isField = new RegExp(`^\\s*${assigned} = \\w+,$`, 'm').test(body);
        expect({ name, assigned, isKnown: known.has(assigned) || isField }).toMatchObject({ isKnown: true });
      }
    }
  });
});
