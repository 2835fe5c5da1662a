import { readdirSync, readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import * as modelCodes from '../../src/testing/reply-codes.ts';
import { decode, encode, keysOf, type Operation } from '../../src/wire/operation.ts';
import { isUnknownScript } from '../../src/wire/run.ts';
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
const keys = lua('keys');
const queue = lua('queue');
const batch = lua('batch');
const luaFiles = readdirSync(LUA).map((name) => name.replace('.lua', ''));

/** Where the contract of each operation stands. */
const FILES_BY_OPERATION: Readonly<Record<string, string>> = {
  acquire: 'acquire',
  contend: 'acquire',
  confirm: 'confirm',
  extend: 'extend',
  adopt: 'extend',
  release: 'release',
  inspect: 'inspect',
  enter: 'waiting',
  leave: 'waiting',
  waiting: 'waiting',
  share: 'share',
  'confirm-share': 'share',
  'extend-share': 'share',
  'adopt-share': 'share',
  'release-share': 'share',
  permit: 'permit',
  'leave-permit': 'permit',
  'inspect-permit': 'permit',
};
const names = Object.keys(FILES_BY_OPERATION);
const contracts = [...new Set(Object.values(FILES_BY_OPERATION))];

/** Files that have code for operations without a contract of their own. */
const FAST_PATHS = ['fast-releases', 'fast-acquires'];
const HELPERS = ['prelude', 'keys', 'queue', 'counter', 'take', 'acquire-all', 'batch', ...FAST_PATHS];

/** Reply codes by name, as the scripts have them. */
function codesOfPrelude(): Readonly<Record<string, number>> {
  const [, names = '', numbers = ''] = /^local ([A-Z, ]+) = ([\d, ]+)$/m.exec(prelude.body) ?? [];
  const values = numbers.split(', ').map(Number);
  return Object.fromEntries(names.split(', ').map((name, index) => [name, values[index] ?? Number.NaN]));
}

const codes = codesOfPrelude();

const LOCK = { keys: ['k'], fences: ['f'], queues: ['q'] } as const;
const WAITER = { member: 'p.1', since: 3 } as const;

/** Operations by kind: of every member of the union, or the compiler says which is missing. */
const samplesByKind: { readonly [Kind in Operation['kind']]: Operation & { readonly kind: Kind } } = {
  acquire: { ...LOCK, kind: 'acquire', value: 'v', ttl: 1, proposal: 2 },
  confirm: { ...LOCK, kind: 'confirm', value: 'v', token: 2 },
  extend: { ...LOCK, kind: 'extend', value: 'v', ttl: 1, token: 2 },
  release: { ...LOCK, kind: 'release', value: 'v' },
  inspect: { ...LOCK, kind: 'inspect' },
  enter: { ...LOCK, kind: 'enter', waiter: WAITER },
  leave: { ...LOCK, kind: 'leave', member: 'p.1' },
  waiting: { ...LOCK, kind: 'waiting' },
};
const contend: Operation = { ...samplesByKind.acquire, waiter: WAITER };
const SHARED = { sharers: 's' } as const;
const PERMITS = { permit: { slot: 0, of: 3 } } as const;
const shares: readonly Operation[] = [
  { ...samplesByKind.acquire, ...SHARED },
  { ...samplesByKind.confirm, ...SHARED },
  { ...samplesByKind.extend, ...SHARED },
  { ...samplesByKind.release, ...SHARED },
];
const permits: readonly Operation[] = [
  { ...samplesByKind.acquire, ...PERMITS },
  { ...samplesByKind.leave, ...PERMITS },
  { ...samplesByKind.inspect, ...PERMITS },
];
const adopting = { ...samplesByKind.extend, previous: 'w' } as const;
const adoptions: readonly Operation[] = [adopting, { ...adopting, ...SHARED }];
const samples: readonly Operation[] = [
  ...Object.values(samplesByKind),
  contend,
  ...shares,
  ...permits,
  ...adoptions,
];

function nameOf(operation: Operation): string {
  return String(encode(operation, true)[0]);
}

/** What a function of keys.lua or queue.lua may answer with, for callers that use its second result, or of its only one. */
const repliesOf: readonly (readonly [use: string, replies: readonly string[]])[] = [
  ['foreign = owner_of(', repliesIn(functionIn(keys.body, 'owner_of'))],
  [' refusal(', repliesIn(functionIn(keys.body, 'refusal'))],
  ['(refusal(', repliesIn(functionIn(keys.body, 'refusal'))],
  [' grant(', repliesIn(functionIn(queue.body, 'grant'))],
];

function functionIn(body: string, name: string): string {
  const [source = ''] = new RegExp(`^local function ${name}\\b[\\s\\S]*?^end$`, 'm').exec(body) ?? [];
  return source;
}

/** The reply codes that stand in a piece of code, at the head of a table. */
function repliesIn(code: string): readonly string[] {
  return [...code.matchAll(/(?:\{ |, 1, |reply\[1\] = )([A-Z]+)\b/g)].map(([, name = '']) => name);
}

/** All replies that a file gives, be it by functions of those. */
function repliesGivenBy(body: string): readonly string[] {
  const borrowed = repliesOf.flatMap(([use, replies]) => (body.includes(use) ? replies : []));
  return sorted([...repliesIn(body), ...borrowed]);
}

function repliesOfHeader(header: string): readonly string[] {
  return sorted([...header.matchAll(/\{([A-Z]+)\b/g)].map(([, name = '']) => name));
}

function sorted(names: Iterable<string>): readonly string[] {
  return [...new Set(names)].sort();
}

describe.each(contracts)('the contract of %s.lua', (file) => {
  const { header, body } = lua(file);

  it('names every reply that the code gives, and no other', () => {
    expect(repliesOfHeader(header)).toEqual(repliesGivenBy(body));
  });

  it('begins with the name of an operation, names them all, and describes their four arguments', () => {
    const operations = names.filter((name) => FILES_BY_OPERATION[name] === file);
    expect(header).toMatch(new RegExp(`^ ${operations[0]?.toUpperCase()}\\b`));
    for (const name of operations) expect(header).toMatch(new RegExp(`^ ${name.toUpperCase()}\\b`, 'm'));
    for (const argument of ['keys', 'value', 'ttl', 'number']) {
      expect(header).toMatch(new RegExp(`^ ${argument} {2,}\\S`, 'm'));
    }
  });

  it('says of arguments that they are unused where the code does not use them', () => {
    const [, parameters] = new RegExp(`^local function ${file}\\(([^)]*)\\)`, 'm').exec(body) ?? [];
    expect(parameters).toBeDefined();
    if (names.filter((name) => FILES_BY_OPERATION[name] === file).length > 2) return;
    const [, , value, ttl, number] = parameters?.split(', ') ?? [];
    for (const [name, parameter] of Object.entries({ value, ttl, number })) {
      const isUnused = new RegExp(`^ ${name} +unused$`, 'm').test(header);
      expect({ name, isUnused }).toEqual({ name, isUnused: parameter === undefined || parameter === '_' });
    }
  });
});

describe('the contract of acquire.lua', () => {
  it('holds for several keys too', () => {
    expect(repliesGivenBy(lua('acquire-all').body)).toEqual(repliesOfHeader(lua('acquire').header));
  });

  it('describes the two further arguments of CONTEND, in their order', () => {
    const described = [...lua('acquire').header.matchAll(/^ (\w+) {2,}\S/gm)].map(([, name]) => name);
    expect(described.slice(4)).toEqual(['member', 'score']);
    expect(encode(contend, true).slice(5)).toEqual([WAITER.member, WAITER.since, '']);
  });
});

describe('reply codes', () => {
  it('are numbered from one, each once', () => {
    expect(Object.values(codes)).toEqual(Object.keys(codes).map((_, index) => index + 1));
  });

  it('are those of the decoder, each under its own outcome', () => {
    const outcomeOf = (code: number) => {
      const reply = decode([code, 1]);
      return reply.outcome === 'failed' ? reply.reason : reply.outcome;
    };
    // A command that failed is a failed vote for the reason 'error'; a queue is a vote like any other, with more to it, and so
    // is the refusal of a reader that is behind a writer.
    const otherwise: Readonly<Record<string, string>> = { FAILED: 'error', QUEUE: 'granted', BEHIND: 'held' };
    for (const [name, code] of Object.entries(codes)) {
      expect(outcomeOf(code)).toBe(otherwise[name] ?? name.toLowerCase());
    }
    const { QUEUE } = codes;
    expect(decode([QUEUE, 'p.1', '3', 'p.2', '4'])).toMatchObject({
      waiters: [
        { member: 'p.1', since: 3 },
        { member: 'p.2', since: 4 },
      ],
    });
    const unknown = [Object.keys(codes).length + 1, 1];
    expect(() => decode(unknown)).toThrow('[ 11, 1 ]');
  });

  it('are those of the simulated server', () => {
    expect({ ...modelCodes }).toEqual(codes);
  });
});

describe('operations', () => {
  it('are the same in the contract of batch.lua, in operation.ts and in the script', () => {
    expect(sorted(samples.map(nameOf))).toEqual(sorted(names));
    const [, named = ''] = /^ +name +((?:.*\|.*\n)+)/m.exec(batch.header) ?? [];
    expect(sorted(named.trim().split(/\s*[|\n]\s*/))).toEqual(sorted(names));
    for (const name of names) expect(batchScript.source).toContain(`'${name}'`);
  });

  it('are encoded as the arguments that batch.lua takes', () => {
    const [, first] = /^local key, i = 1, (\d+)$/m.exec(prelude.body) ?? [];
    expect(prelude.header).toContain(`ARGV[${first}..]`);
    const [, long, short] = /i = i \+ \(is_long and (\d+) or (\d+)\)/.exec(batch.body) ?? [];
    const [, longOnes = ''] = /eight for (.*)$/m.exec(batch.header) ?? [];
    expect(batch.header.match(/^ {3,}\w+ {2,}\S/gm)).toHaveLength(Number(short));
    for (const operation of samples) {
      const isLong = longOnes.split(/:|, | and /).includes(nameOf(operation));
      const length = isLong ? long : short;
      expect(encode(operation, true)).toHaveLength(Number(length));
    }
  });

  it.each(samples.map((operation) => [nameOf(operation), operation] as const))(
    '%s has as many keys as batch.lua takes for its number',
    (name, operation) => {
      const [withoutQueues = ''] = /name == 'extend' or .*$/m.exec(batch.body) ?? [];
      for (const lock of [operation, { ...operation, fences: [] }]) {
        // A plain lock has no token to be confirmed.
        if (operation.kind === 'confirm' && lock !== operation) continue;
        const groups = ['keys'];
        if (encode(lock, true)[4] !== '') groups.push('fences');
        if (!withoutQueues.includes(`'${name}'`)) groups.push('queues');
        if (name.endsWith('share')) groups.push('sharers');
        const keys: Readonly<Record<string, string>> = {
          keys: 'k',
          fences: 'f',
          queues: 'q',
          sharers: 's',
        };
        expect(keysOf(lock)).toEqual(groups.map((group) => keys[group]));
      }
    },
  );

  it('name no waiter to a node whose notifications are not heard', () => {
    expect(encode(contend, false)).toEqual(encode(samplesByKind.acquire, true));
    const share = { ...contend, sharers: 's', previous: 'u' };
    expect(encode(share, false).slice(5)).toEqual(['', '', 'u']);
  });
});

describe('the arguments of a script', () => {
  it.each([
    ['prelude', prelude.header, HELPERS.map((name) => lua(name).body).join('\n')],
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

/** The files that another one stands in, and that have given names to what it works on. */
function hostsOf(name: string): readonly string[] {
  return luaFiles.filter((host) => read(new URL(`${host}.lua`, LUA)).includes(`--[[ ${name} ]]`));
}

/** What a piece of code gives a name to. */
function namesIn(body: string): ReadonlySet<string> {
  const locals = [...body.matchAll(/\blocal (?:function )?([\w, ]+?)(?: =|\(|$)/gm)];
  const parameters = [...body.matchAll(/function (?:\w+)?\(([^)]*)\)/g)];
  const loops = [...body.matchAll(/\bfor (\w+) =/g)];
  return new Set([...locals, ...parameters, ...loops].flatMap(([, names = '']) => names.split(', ')));
}

describe('the scripts as they are sent', () => {
  it('consist of all files, each under the hash of its text', () => {
    expect(sorted(luaFiles)).toEqual(sorted([...contracts, ...HELPERS, 'marker']));
    for (const name of [...contracts, ...HELPERS]) {
      // In batch.lua, a line stands for each file that goes there.
      const sent = read(new URL(`${name}.lua`, LUA)).replace(/^ *--(?!\[).*\n/gm, '');
      for (const piece of sent.split(/--\[\[ [\w-]+ \]\]/)) {
        expect(batchScript.source).toContain(piece);
      }
    }
    expect(batchScript.source).not.toContain('--[[');
    expect(batchScript.sha1).toMatch(/^[0-9a-f]{40}$/);
    expect(markerScript.sha1).not.toBe(batchScript.sha1);
  });

  it('set no global variable, which Redis forbids', () => {
    for (const name of luaFiles) {
      const { body } = lua(name);
      // batch.lua goes on where prelude.lua ends.
      const hosts = name === 'batch' ? ['prelude'] : hostsOf(name);
      const known = namesIn([...hosts.map((host) => lua(host).body), body].join('\n'));
      for (const [, list = ''] of body.matchAll(/^\s*([a-z_]\w*(?:, [a-z_]\w*)*) = /gm)) {
        for (const assigned of list.split(', ')) {
          // Fields of a table constructor look like assignments; they end with a comma.
          const isField = new RegExp(`^\\s*${assigned} = \\w+,$`, 'm').test(body);
          expect({ name, assigned, isKnown: known.has(assigned) || isField }).toMatchObject({
            isKnown: true,
          });
        }
      }
    }
  });
});

it('a script that a server does not have is known by what the error says, of whatever realm that is', () => {
  const message = 'NOSCRIPT No matching script. Please use EVAL.';
  expect(isUnknownScript(new Error(message))).toBe(true);
  expect(isUnknownScript(runInNewContext(`new Error(${JSON.stringify(message)})`))).toBe(true);
  expect(isUnknownScript(new Error('ERR no'))).toBe(false);
  expect(isUnknownScript(undefined)).toBe(false);
});
