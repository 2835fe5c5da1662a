import { describe, expect, it } from 'vitest';
import type { NodeVote } from '../../src/base/vote.ts';
import { chooseToken, fenceKeyOf, OWN_PREFIX } from '../../src/quorum/fencing-token.ts';

const about = { node: 'node', latencyMs: 1 };
const granted = (counter: number): NodeVote => ({ ...about, outcome: 'granted', counter });

describe('the token of a won round', () => {
  it('is the highest counter of a grant, wherever it stands', () => {
    expect(chooseToken([granted(3), granted(9), granted(5)]).token).toBe(9);
    expect(chooseToken([granted(9), granted(3)]).token).toBe(9);
  });

  it('is confirmed by each node that answered just this', () => {
    expect(chooseToken([granted(3), granted(9), granted(5), granted(9)])).toEqual({ token: 9, confirmed: 2 });
    expect(chooseToken([granted(7), granted(7), granted(7)])).toEqual({ token: 7, confirmed: 3 });
    expect(chooseToken([granted(7), granted(7), granted(8)])).toEqual({ token: 8, confirmed: 1 });
  });

  it('is nothing that a node says which did not grant', () => {
    const votes: readonly NodeVote[] = [
      { ...about, outcome: 'superseded', counter: 99 },
      { ...about, outcome: 'held', remainingTtl: 1, counter: 5 },
      { ...about, outcome: 'missing', counter: 5 },
      { ...about, outcome: 'pending', latencyMs: undefined },
      granted(5),
    ];
    expect(chooseToken(votes)).toEqual({ token: 5, confirmed: 1 });
  });
});

describe('the fence counter of a lock key', () => {
  it('is a key of the library, named after the lock key and in its hash slot', () => {
    expect(OWN_PREFIX).toBe('quorlock:');
    expect(fenceKeyOf('lock:r')).toMatch(/^quorlock:fence.*lock:r/);
    expect(fenceKeyOf('lock:{a}b')).toContain('{a}');
  });
});
