import { describe, expect, it } from 'vitest';
import { type Exploration, Explorer } from '../model/explorer.ts';

/**
 * Three nodes and two attempts, in every order of events. With one doubled ACQUIRE an attempt (`doubled: 1`) it takes
 * minutes, and holds as well; the Promela model under test/model goes further.
 */
const RULES: Exploration = { nodeCount: 3, attemptCount: 2, proposals: [1, 2], doubled: 0, extends: true };

describe('fencing.ts and tally.ts over the model of the scripts, with keys that expire at any moment', () => {
  it('give tokens that are unique and in order, and extensions that come before any higher one', () => {
    const { states, counterexample } = new Explorer(RULES).run();
    expect(counterexample).toBeUndefined();
    expect(states).toBeGreaterThan(100_000);
  });

  it.each([
    ['confirm without owner check', 'that token had been won before'],
    ['no confirm', 'that token had been won before'],
    ['extend without counter check', 'had been won before EXTEND was sent'],
  ] as const)('break a promise with %s', (weakening, promise) => {
    const { counterexample } = new Explorer({ ...RULES, weakening }).run();
    expect(counterexample?.at(-1)).toContain(promise);
  });
});
