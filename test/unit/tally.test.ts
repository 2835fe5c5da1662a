import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeVote } from '../../src/base/vote.ts';
import { lossReasonOf, majorityOf, tally } from '../../src/quorum/round.ts';

const nodeCounts = fc.integer({ min: 1, max: 15 });
/** A quorum, and for each node in the order it votes whether it grants. */
const rounds = nodeCounts.chain((nodeCount) =>
  fc.tuple(fc.constant(nodeCount), fc.array(fc.boolean(), { minLength: nodeCount, maxLength: nodeCount })),
);

function decisionsAfterEach(nodeCount: number, votes: readonly boolean[]): readonly string[] {
  return votes.map((_, last) => {
    const cast = votes.slice(0, last + 1);
    return tally(nodeCount, cast.filter(Boolean).length, cast.filter((vote) => !vote).length);
  });
}

describe('a tally', () => {
  it('is undecided until it is won or lost, and then stays so', () => {
    fc.assert(
      fc.property(rounds, ([nodeCount, votes]) => {
        const decisions = decisionsAfterEach(nodeCount, votes);
        const end = decisions.findIndex((decision) => decision !== 'undecided');
        expect(new Set(decisions.slice(end)).size).toBe(1);
      }),
    );
  });

  it('is always settled when all nodes have voted, ties included', () => {
    fc.assert(
      fc.property(rounds, ([nodeCount, votes]) => {
        const granted = votes.filter(Boolean).length;
        expect(decisionsAfterEach(nodeCount, votes).at(-1)).toBe(granted > nodeCount / 2 ? 'won' : 'lost');
      }),
    );
    for (const nodeCount of [2, 4, 6]) expect(tally(nodeCount, nodeCount / 2, nodeCount / 2)).toBe('lost');
  });

  it('is decided as soon as no vote to come can change it, and no sooner', () => {
    fc.assert(
      fc.property(rounds, ([nodeCount, votes]) => {
        decisionsAfterEach(nodeCount, votes).forEach((decision, index) => {
          const granted = votes.slice(0, index + 1).filter(Boolean).length;
          const open = nodeCount - index - 1;
          const worst = granted >= majorityOf(nodeCount);
          const best = granted + open >= majorityOf(nodeCount);
          expect(decision).toBe(worst ? 'won' : best ? 'undecided' : 'lost');
        });
      }),
    );
  });

  it('is never won by two attempts, each node granting one of them at the most', () => {
    fc.assert(
      fc.property(
        nodeCounts.chain((nodeCount) =>
          fc.array(fc.constantFrom('first', 'second', 'neither'), {
            minLength: nodeCount,
            maxLength: nodeCount,
          }),
        ),
        (grants) => {
          const winners = ['first', 'second'].filter((attempt) => {
            const granted = grants.filter((grant) => grant === attempt).length;
            return tally(grants.length, granted, grants.length - granted) === 'won';
          });
          expect(winners.length).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  it('needs the smallest sets of nodes of which any two have a node in common', () => {
    for (let nodeCount = 1; nodeCount <= 100; nodeCount += 1) {
      const majority = majorityOf(nodeCount);
      expect(2 * majority).toBeGreaterThan(nodeCount);
      expect(2 * (majority - 1)).toBeLessThanOrEqual(nodeCount);
    }
  });
});

describe('the reason of a defeat', () => {
  const vote = (outcome: 'held' | 'granted' | 'failed' | 'foreign' | 'pending'): NodeVote => {
    const about = { node: 'node', latencyMs: 1 };
    switch (outcome) {
      case 'held':
        return { ...about, outcome, remainingTtl: 1 };
      case 'granted':
        return { ...about, outcome, counter: 1 };
      case 'failed':
        return { ...about, outcome, reason: 'timeout', message: '' };
      case 'foreign':
        return { ...about, outcome, type: 'list' };
      case 'pending':
        return { ...about, outcome };
    }
  };

  it.each([
    [['held', 'held', 'pending'], 'held'],
    [['granted', 'held', 'held'], 'held'],
    [['granted', 'held', 'failed'], 'held'],
    [['held', 'failed', 'failed'], 'no-quorum'],
    [['granted', 'failed', 'failed'], 'no-quorum'],
    [['held', 'foreign', 'failed'], 'not-a-lock'],
    [['foreign', 'foreign', 'granted'], 'not-a-lock'],
    [['foreign', 'granted', 'held'], 'held'],
  ] as const)('of %j is %s', (outcomes, defeat) => {
    expect(lossReasonOf(outcomes.map(vote))).toBe(defeat);
  });
});
