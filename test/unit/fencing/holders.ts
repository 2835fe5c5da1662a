import fc from 'fast-check';
import { expect } from 'vitest';
import { StaleTokenError } from '../../../src/fencing/index.ts';

/** One resource as a holder of its lock sees it. Its value is a text that every holder adds to. */
export interface Store {
  read(token: number): Promise<string | null>;
  write(token: number, value: string): Promise<void>;
}

/** The same without any check: what the guards are measured against. */
export function unguardedStore(): Store {
  let value: string | null = null;
  return {
    read: async () => value,
    write: async (_token, next) => {
      value = next;
    },
  };
}

/**
 * A holder with token 10 reads and is paused; 11 is granted, registers and reads; the late write of 10
 * arrives before the first one of 11. Returns what became of the late write and of the value.
 */
export async function pausedHolderStory(store: Store): Promise<{ late: unknown; final: string | null }> {
  const seenBy10 = (await store.read(10)) ?? '';
  const seenBy11 = (await store.read(11)) ?? '';
  const late = await store.write(10, `${seenBy10}[10]`).then(
    () => 'written' as const,
    (error: unknown) => error,
  );
  await store.write(11, `${seenBy11}[11]`);
  return { late, final: await store.read(11) };
}

/** Holders with ascending tokens, and the order in which each takes its next step. */
export interface Interleaving {
  readonly tokens: readonly number[];
  readonly turns: readonly number[];
}

const HIGHEST_FIRST_TOKEN = Number.MAX_SAFE_INTEGER - 100;

export const interleavings: fc.Arbitrary<Interleaving> = fc
  .tuple(
    // Small ones, and those of which a double's last digits matter.
    fc.oneof(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: HIGHEST_FIRST_TOKEN - 3, max: HIGHEST_FIRST_TOKEN }),
    ),
    fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 3 }),
    fc.array(fc.nat(3), { maxLength: 16 }),
  )
  .map(([first, gaps, turns]) => {
    const tokens = [first];
    for (const gap of gaps) tokens.push((tokens.at(-1) ?? first) + gap);
    return { tokens, turns: turns.map((turn) => turn % tokens.length) };
  });

/**
 * Plays an interleaving and checks it against the model: a step goes through exactly when its token is
 * the highest so far, and the final value holds every acknowledged write, in the order of the tokens.
 * A holder first reads, then writes, reads and writes in turn; one that was refused stops.
 */
export async function playAgainstModel(store: Store, { tokens, turns }: Interleaving): Promise<void> {
  const holders = tokens.map((token) => ({ token, seen: '', nextIsWrite: false, refused: false }));
  const acknowledged: number[] = [];
  let highest = 0;

  for (const turn of turns) {
    const holder = holders[turn];
    if (holder === undefined || holder.refused) continue;
    const { token } = holder;
    try {
      if (holder.nextIsWrite) {
        await store.write(token, `${holder.seen}[${token}]`);
        acknowledged.push(token);
      } else {
        holder.seen = (await store.read(token)) ?? '';
      }
      expect(token, 'a step went through although a higher token was registered').toBeGreaterThanOrEqual(
        highest,
      );
      highest = token;
      holder.nextIsWrite = !holder.nextIsWrite;
    } catch (error) {
      if (!(error instanceof StaleTokenError)) throw error;
      expect(error, 'a step was refused although no higher token was registered').toMatchObject({
        token,
        highest,
      });
      expect(token).toBeLessThan(highest);
      holder.refused = true;
    }
  }

  const final = (await store.read(Number.MAX_SAFE_INTEGER)) ?? '';
  expect(final).toBe(acknowledged.map((token) => `[${token}]`).join(''));
  expect(acknowledged).toEqual(acknowledged.toSorted((a, b) => a - b));
}

/** Resource names and keys that have broken other code before. */
export const HOSTILE_NAMES = [
  `'; DROP TABLE quorlock_fence; --`,
  `"quoted" and 'quoted' and \`ticked\` \\`,
  'a}b',
  '}',
  '{',
  '{}',
  '}{',
  '{}a}',
  '{a}{b}',
  '{{a}}',
  'a{b',
  'a{}b{c}',
  '{tag}rest',
  'line\nbreak\ttab\r',
  '$1 ? :name @p %s #{x}',
  'ünïcødé 🔒 鍵 \u2028',
  '__proto__',
  ' ',
] as const;

/** What is not a token, and the error it deserves. */
export const BAD_TOKENS: readonly (readonly [unknown, typeof TypeError | typeof RangeError])[] = [
  [0, RangeError],
  [-1, RangeError],
  [1.5, RangeError],
  [Number.NaN, RangeError],
  [Number.POSITIVE_INFINITY, RangeError],
  [2 ** 53, RangeError],
  ['12', TypeError],
  [12n, TypeError],
  [undefined, TypeError],
  [null, TypeError],
  [{}, TypeError],
];
