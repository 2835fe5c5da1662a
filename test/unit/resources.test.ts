import clusterSlot from 'cluster-key-slot';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { queueKeyOf } from '../../src/quorum/fencing-token.ts';
import { checkSlots, keysFor, normalizeResources, type Resources } from '../../src/redlock/resources.ts';
import { SimulatedClient } from '../../src/testing/simulated-client.ts';
import { World } from './world.ts';

/** Names with everything that a hash tag, a protocol or a pattern could stumble over. */
const hostileNames = fc.oneof(
  fc.string({ minLength: 1, unit: 'grapheme' }),
  fc.string({
    minLength: 1,
    unit: fc.constantFrom('{', '}', '{}', 'a', ':', ' ', '*', '\r\n', '\0', 'ü', '💥'),
  }),
);

/** Redis hashes such a key whole, because its hash tag is empty; cluster-key-slot takes a later `}` for the end. */
function isMisjudged(key: string): boolean {
  return /^[^{]*\{\}[\s\S]*\}/.test(key);
}

describe('the fence counter of a key', () => {
  it('is in the hash slot of the key, and another key', () => {
    fc.assert(
      fc.property(hostileNames, fc.constantFrom('lock:', '', '{tag}', '{', '}'), (resource, keyPrefix) => {
        const { keys, fences } = keysFor([resource], { keyPrefix: keyPrefix, fencing: true });
        expect(fences).toHaveLength(1);
        expect(fences[0]).not.toBe(keys[0]);
        fc.pre(!isMisjudged(keys[0] ?? ''));
        expect(clusterSlot(fences[0] ?? '')).toBe(clusterSlot(keys[0] ?? ''));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is in the slot that a server names for a key with an empty hash tag and another brace', () => {
    // CLUSTER KEYSLOT of a Redis 7 says 5095 of it; cluster-key-slot 1.1.2 says 0.
    const { fences } = keysFor(['{}}{'], { keyPrefix: 'lock:', fencing: true });
    expect(clusterSlot(fences[0] ?? '')).toBe(5_095);
  });

  it('belongs to this key alone', () => {
    fc.assert(
      fc.property(fc.uniqueArray(hostileNames, { minLength: 2, maxLength: 20 }), (resources) => {
        const { keys, fences } = keysFor(resources, { keyPrefix: '', fencing: true });
        expect(new Set([...keys, ...fences]).size).toBe(2 * resources.length);
      }),
    );
  });

  it('does not exist without fencing', () => {
    expect(keysFor(['a', 'b'], { keyPrefix: 'lock:', fencing: false })).toEqual({
      keys: ['lock:a', 'lock:b'],
      fences: [],
      queues: [queueKeyOf('lock:a'), queueKeyOf('lock:b')],
    });
  });
});

describe('resources', () => {
  it('are sorted and without duplicates, so that the same set is the same lock', () => {
    fc.assert(
      fc.property(fc.array(hostileNames, { minLength: 1 }), fc.integer(), (resources, seed) => {
        const shuffled = [...resources, ...resources].sort((a, b) => hash(a + seed) - hash(b + seed));
        const normalized = normalizeResources(resources);
        expect(normalizeResources(shuffled)).toEqual(normalized);
        expect(new Set(normalized)).toEqual(new Set(resources));
        expect(normalized).toHaveLength(new Set(resources).size);
      }),
    );
  });

  it.each<[unknown, string]>([
    [[], 'resources must name at least one resource: got []'],
    ['', 'resource must not be empty'],
    [['a', ''], 'resources[1] must not be empty'],
    ['a\ud83d', 'resource must have no half of a character: got "a\\ud83d"'],
    [['a', '\udca5b'], 'resources[1] must have no half of a character: got "\\udca5b"'],
  ])('%j are a RangeError', (resources, message) => {
    expect(() => normalizeResources(resources as Resources)).toThrow(RangeError);
    expect(() => normalizeResources(resources as Resources)).toThrow(message);
  });

  it.each<[unknown, string]>([
    [undefined, 'resource must be a string: got undefined'],
    [7, 'resource must be a string: got 7'],
    [{}, 'resource must be a string: got an object'],
    [['a', 7], 'resources[1] must be a string: got 7'],
  ])('%j are a TypeError', (resources, message) => {
    expect(() => normalizeResources(resources as Resources)).toThrow(TypeError);
    expect(() => normalizeResources(resources as Resources)).toThrow(message);
  });

  it("whose key would be one of the library's own are a RangeError", () => {
    expect(() => keysFor(['quorlock:node'], { keyPrefix: '', fencing: true })).toThrow(RangeError);
    expect(() => keysFor(['node'], { keyPrefix: 'quorlock:', fencing: true })).toThrow('"quorlock:node"');
    expect(keysFor(['quorlock:node'], { keyPrefix: 'lock:', fencing: true }).keys).toEqual([
      'lock:quorlock:node',
    ]);
  });

  it('are locked, seen and released under any name', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(hostileNames, { minLength: 1, maxLength: 4 }), async (resources) => {
        const world = new World(3);
        const redlock = world.redlock();
        const lock = await world.clock.runUntil(redlock.acquire(resources));
        expect(lock.resources).toEqual([...resources].sort());
        for (const resource of resources) {
          const { state, value } = await world.clock.runUntil(redlock.inspect(resource));
          expect({ state, value }).toEqual({ state: 'held', value: lock.value });
        }
        await world.clock.runUntil(lock.release());
        for (const resource of resources) {
          expect(await world.clock.runUntil(redlock.inspect(resource))).toMatchObject({ state: 'free' });
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('names that are very long', () => {
  const most = 1_048_576;

  it('have a bound, alone and together', () => {
    expect(normalizeResources('n'.repeat(most))).toHaveLength(1);
    expect(() => normalizeResources('n'.repeat(most + 1))).toThrow(
      new RangeError(`resource must have at most ${most} characters: got ${most + 1}`),
    );
    expect(() => normalizeResources(['a'.repeat(most / 2), 'b'.repeat(most / 2 + 1)])).toThrow(
      new RangeError(`the names of resources must have at most ${most} characters: got ${most + 1}`),
    );
  });
});

describe('the keys of one lock in a Redis Cluster', () => {
  class SimulatedCluster extends SimulatedClient {
    override readonly isCluster = true;

    override slotOf(key: string): number {
      return clusterSlot(key);
    }
  }

  const world = new World(1);
  const cluster = new SimulatedCluster(world.server(0), world.clock, world.random);

  it('must share a slot', () => {
    expect(() => checkSlots([cluster], keysFor(['a', 'b'], { keyPrefix: 'lock:', fencing: true }))).toThrow(
      /one slot.*"lock:a", "lock:b" in 2.*hash tag/,
    );
    checkSlots([cluster], keysFor(['{user:7}:a', '{user:7}:b'], { keyPrefix: 'lock:', fencing: true }));
  });

  it('may be anywhere on single masters', () => {
    checkSlots(world.clients, keysFor(['a', 'b'], { keyPrefix: 'lock:', fencing: true }));
  });
});

/** Any order will do, as long as the seed changes it. */
function hash(text: string): number {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
  return sum;
}
