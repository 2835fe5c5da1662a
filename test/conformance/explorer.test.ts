import { describe, expect, it } from 'vitest';
import { type Exploration, Explorer } from '../model/explorer.ts';

/**
 * Three nodes and two attempts, in every order of events. With one doubled ACQUIRE an attempt (`doubled: 1`) it takes
 * minutes, and holds as well for blocks of one token; the Promela model under test/model goes further, with messages that
 * are doubled any number of times, and larger blocks.
 */
const RULES: Exploration = {
  nodeCount: 3,
  blocks: [1, 1],
  proposals: [1, 2],
  doubled: 0,
  extends: true,
  reserves: false,
  adopters: 0,
};

/** Blocks of several tokens, and of several sizes. */
const BLOCKS: Exploration = { ...RULES, blocks: [2, 3], proposals: [3, 6], extends: false };

/** A lock that is handed over, while another attempt is made. */
const ADOPTED: Exploration = { ...RULES, proposals: [1], extends: false, adopters: 1 };

/** A lock that is handed over and sent to two processes, or by the first of them to the second. */
const SENT_TWICE: Exploration = { ...RULES, blocks: [1], proposals: [1], adopters: 2 };

describe('fencing-token.ts and tally.ts over the model of the scripts, with keys that expire at any moment', () => {
  it('give tokens that are unique and in order, and extensions that come before any higher one', () => {
    const { states, counterexample } = new Explorer(RULES).run();
    expect(counterexample).toBeUndefined();
    expect(states).toBeGreaterThan(100_000);
  });

  it.each<[string, number, Exploration]>([
    ['of two and of three', 50_000, BLOCKS],
    ['and an extension', 50_000, { ...BLOCKS, proposals: [3], extends: true }],
    [
      'of keys that are reserved for a waiter',
      50_000,
      { ...BLOCKS, blocks: [2, 2], proposals: [3], reserves: true },
    ],
  ])('give blocks of tokens that never overlap and are in order, %s', (_, least, exploration) => {
    const { states, counterexample } = new Explorer(exploration).run();
    expect(counterexample).toBeUndefined();
    expect(states).toBeGreaterThan(least);
  });

  it.each<[string, number, Exploration]>([
    ['while another attempt is made', 50_000, ADOPTED],
    ['by one process of two, whatever the giver extends late', 5_000, SENT_TWICE],
    ['with an ACQUIRE that arrives twice', 5_000, { ...SENT_TWICE, extends: false, doubled: 1 }],
    ['with tokens that are left', 10_000, { ...SENT_TWICE, blocks: [2], proposals: [2] }],
  ])('let a lock that is handed over be adopted once, %s', (_, least, exploration) => {
    const { states, counterexample } = new Explorer(exploration).run();
    expect(counterexample).toBeUndefined();
    expect(states).toBeGreaterThan(least);
  });

  it.each([
    ['confirm without owner check', RULES, 'had been won before'],
    ['no confirm', RULES, 'had been won before'],
    ['extend without counter check', RULES, 'had been won before EXTEND was sent'],
    ['counter raised by one', BLOCKS, 'had been won before'],
    ['hand-over past the block', BLOCKS, 'had been won before'],
    ['next block from memory', BLOCKS, 'had been won before'],
    ['adoption of a lost key', SENT_TWICE, 'had been won before'],
    ['adoption from any value', SENT_TWICE, 'had been won before'],
    ['adoption that raises no counter', SENT_TWICE, 'had been won before'],
    ['adopters that share a value', SENT_TWICE, 'had been won before'],
    ['adoption by a minority', SENT_TWICE, 'had been won before'],
    ['giver that goes on', SENT_TWICE, 'had been won before'],
  ] as const)('break a promise with %s', (weakening, rules, promise) => {
    const { counterexample } = new Explorer({ ...rules, weakening }).run();
    expect(counterexample?.at(-1)).toContain(promise);
  });
});
