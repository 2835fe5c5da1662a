import { describe, expect, it } from 'vitest';
import { SeededRandom, SimulatedServer } from '../../../src/testing/index.ts';
import { KeyStore } from '../../../src/testing/key-store.ts';
import { SortedSet } from '../../../src/testing/sorted-set.ts';
import { Timeline } from '../../../src/testing/timeline.ts';
import { batchScript } from '../../../src/wire/scripts.ts';

const OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'.";
const READ_ONLY = "READONLY You can't write against a read only replica.";

function store(): KeyStore {
  return new KeyStore(() => 0);
}

describe('a sorted set', () => {
  it('is in the order of the scores, then of the bytes of the members', () => {
    const set = new SortedSet();
    // U+FFFD comes before U+1F600 in UTF-8, and behind it in UTF-16.
    for (const member of ['b', 'a', '\u{1F600}', '\uFFFD', 'B', 'ab']) set.add(member, 2);
    set.add('last', 3);
    set.add('first', -1);
    expect(set.first(9).map(({ member }) => member)).toEqual([
      ...['first', 'B', 'a', 'ab', 'b', '\uFFFD', '\u{1F600}', 'last'],
    ]);
    expect(set.first(1)).toEqual([{ member: 'first', score: -1 }]);
  });

  it('has every member once, with its latest score', () => {
    const set = new SortedSet();
    for (const score of [1, 5, 3]) set.add('m', score);
    set.add('n', 4);
    expect(set.first(9)).toEqual([
      { member: 'm', score: 3 },
      { member: 'n', score: 4 },
    ]);
    expect(set.remove('m')).toBe(true);
    expect(set.remove('m')).toBe(false);
    expect(set.popFirst()).toEqual({ member: 'n', score: 4 });
    expect(set.popFirst()).toBeUndefined();
    expect(set.size).toBe(0);
  });
});

describe('a key with a sorted set', () => {
  it('is there as long as it has members', () => {
    const keys = store();
    expect(keys.addMember('q', '1', 'a')).toBe(1);
    expect(keys.addMember('q', '2', 'a')).toBe(0);
    keys.addMember('q', '1', 'b');
    expect(keys.typeOf('q')).toBe('zset');
    expect(keys.popFirstMember('q')).toEqual({ member: 'b', score: 1 });
    expect(keys.removeMember('q', 'b')).toBe(0);
    expect(keys.removeMember('q', 'a')).toBe(1);
    expect(keys.typeOf('q')).toBe('none');
    expect(keys.popFirstMember('q')).toBeUndefined();
    expect(keys.firstMembers('q', 1)).toEqual([]);
  });

  it('is of one type only', () => {
    const keys = store();
    keys.set('s', 'v');
    keys.putForeign('h', 'hash');
    keys.putForeign('z', 'zset');
    for (const key of ['s', 'h']) {
      expect(() => keys.addMember(key, 1, 'm')).toThrow('WRONGTYPE');
      expect(() => keys.removeMember(key, 'm')).toThrow('WRONGTYPE');
      expect(() => keys.popFirstMember(key)).toThrow('WRONGTYPE');
      expect(() => keys.firstMembers(key, 1)).toThrow('WRONGTYPE');
    }
    expect(keys.firstMembers('z', 9)).toEqual([{ member: 'member', score: 1 }]);
    expect(() => keys.get('z')).toThrow('WRONGTYPE');
  });

  it('is the same in a copy, which what happens later does not change', () => {
    const keys = store();
    keys.addMember('q', 1, 'a');
    const copy = keys.copy();
    keys.popFirstMember('q');
    expect(copy.firstMembers('q', 9)).toEqual([{ member: 'a', score: 1 }]);
    keys.replaceBy(copy);
    copy.popFirstMember('q');
    expect(keys.firstMembers('q', 9)).toEqual([{ member: 'a', score: 1 }]);
  });
});

describe('a store that refuses to write', () => {
  function written(): KeyStore {
    const keys = store();
    keys.set('s', 'v');
    keys.addMember('q', 1, 'a');
    keys.addMember('q', 1, 'b');
    return keys;
  }

  const growing: readonly ((keys: KeyStore) => unknown)[] = [
    (keys) => keys.set('new', 'v'),
    (keys) => keys.setIfMissing('new', 'v', 1),
    (keys) => keys.exchange('s', 'v', 1),
    (keys) => keys.addMember('q', 1, 'c'),
    (keys) => keys.putForeign('new', 'list'),
  ];
  const others: readonly ((keys: KeyStore) => unknown)[] = [
    (keys) => keys.delete('s'),
    (keys) => keys.expire('s', 1),
    (keys) => keys.removeMember('q', 'a'),
    (keys) => keys.popFirstMember('q'),
  ];

  it('for want of memory still does what needs none', () => {
    const keys = written();
    keys.writeError = OUT_OF_MEMORY;
    for (const command of growing) expect(() => command(keys)).toThrow(OUT_OF_MEMORY);
    for (const command of others) command(keys);
    for (const command of growing) expect(() => command(keys)).toThrow(OUT_OF_MEMORY);
    expect(keys.keys()).toEqual([]);
  });

  it('as a replica changes nothing', () => {
    const keys = written();
    keys.writeError = READ_ONLY;
    for (const command of [...growing, ...others]) expect(() => command(keys)).toThrow(READ_ONLY);
    expect(keys.get('s')).toBe('v');
    expect(keys.firstMembers('q', 9)).toHaveLength(2);
  });

  it('for want of memory does not stop a script that has written, and stops the next one', () => {
    const keys = written();
    keys.writeError = OUT_OF_MEMORY;
    keys.runScript(() => {
      expect(() => keys.set('new', 'v')).toThrow(OUT_OF_MEMORY);
      keys.popFirstMember('q');
      keys.set('new', 'v');
    });
    expect(keys.get('new')).toBe('v');
    expect(() => keys.set('newer', 'v')).toThrow(OUT_OF_MEMORY);
    expect(() => keys.runScript(() => keys.set('newer', 'v'))).toThrow(OUT_OF_MEMORY);
  });

  it('for want of memory hands a lock on to who waits for it, and grants none', () => {
    const server = new SimulatedServer(new Timeline(), new SeededRandom(1), { address: 'a' });
    const listener = { push: () => undefined, broken: () => undefined };
    server.accept(listener);
    server.subscribe(listener, 'quorlock:wake:p');
    server.store.set('k', 'v', 1_000);
    server.store.addMember('q', 1, 'p.1');
    server.store.writeError = OUT_OF_MEMORY;
    const run = (...operation: (string | number)[]) =>
      server.eval(batchScript.source, ['k', 'q'], [' 1000 1 1000 100 1', 9e15, ...operation])[1];
    expect(run('acquire', 1, 'w', 1_000, '')).toEqual([2, 1_000, '']);
    expect(run('release', 1, 'v', 0, '')).toEqual([1, 1, 1]);
    expect(server.store.get('k')).toBe('~p.1:1');
    expect(run('contend', 1, 'w', 1_000, '', 'p.1', 1, '')).toEqual([8, OUT_OF_MEMORY]);
  });
});
