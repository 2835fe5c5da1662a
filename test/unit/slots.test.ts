import { describe, expect, it } from 'vitest';
import type { NodeVote } from '../../src/base/vote.ts';
import type { Attempt, Attempts } from '../../src/lock/attempts.ts';
import { Slots } from '../../src/redlock/slots.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { failed } from '../../src/wire/operation.ts';

const about = { node: 'a:1', latencyMs: 1 };

describe('an attempt at a permit', () => {
  it('whose second look came too late to ask any node says what nodes said to the first', async () => {
    const answers: Attempt[] = [
      { outcome: 'held', votes: [{ ...about, outcome: 'held', remainingTtl: 7, open: [1] }] },
      { outcome: 'no-quorum', votes: [{ ...about, ...failed('overloaded', 'not asked') }] },
    ];
    const attempts: Pick<Attempts, 'make'> = {
      make: async () => answers.shift() ?? { outcome: 'held', votes: [] },
    };
    const slots = new Slots(attempts, new SeededRandom(1));
    const keysOf = (slot: number) => ({ keys: [`${slot}`], fences: [], queues: ['q'] });
    const attempt = await slots.attempt({ resource: 's', permits: 2, ttl: 1_000, keysOf }, undefined);
    expect(attempt).toMatchObject({ outcome: 'held', votes: [{ outcome: 'held' }] });
    expect(answers).toEqual([]);
  });
});

/** What three nodes answer: each names the slots that are open there. */
const refused = (...open: readonly (readonly number[])[]): Attempt => ({
  outcome: 'held',
  votes: open.map((slots): NodeVote => ({ ...about, outcome: 'held', remainingTtl: 7, open: slots })),
});

/** A semaphore of five slots, the slots that were asked for, and how each attempt ended. */
function five(answers: Attempt[]) {
  const asked: number[] = [];
  const ends: (() => void)[] = [];
  const attempts: Pick<Attempts, 'make'> = {
    make: async ({ target, ended }) => {
      asked.push(Number(target.keys[0]));
      ends.push(ended ?? (() => undefined));
      return answers.shift() ?? refused([], [], []);
    },
  };
  // Always the slot in the middle of those that it chooses from.
  const slots = new Slots(attempts, { fraction: () => 0.5, identifier: () => '' });
  const keysOf = (slot: number) => ({ keys: [`${slot}`], fences: [], queues: ['q'] });
  const attempt = (slot?: number) =>
    slots.attempt({ resource: 's', permits: 5, ttl: 1_000, keysOf }, { waiter: undefined, slot });
  return { asked, ends, attempt };
}

describe('the slot of an attempt', () => {
  it('is the one that nodes have named, if the caller knows of it, and else any', async () => {
    const { asked, attempt } = five([]);
    for (const slot of [4, 0, 5, undefined]) await attempt(slot);
    expect(asked).toEqual([4, 0, 2, 2]);
  });

  it('is one that this process does not use, as long as there is any', async () => {
    const acquired = { outcome: 'acquired', votes: [] } as unknown as Attempt;
    const { asked, ends, attempt } = five(Array.from({ length: 6 }, () => acquired));
    for (let times = 0; times < 6; times += 1) await attempt();
    expect(asked).toEqual([2, 3, 1, 4, 0, 2]);
    for (const end of ends) end();
    await attempt();
    await attempt();
    // Refused, it is not used.
    expect(asked.slice(6)).toEqual([2, 2]);
  });

  it('is one that is open at a majority of nodes, when the first one is refused', async () => {
    const { asked, attempt } = five([refused([1, 4], [1], []), refused([], [], [])]);
    expect((await attempt()).outcome).toBe('held');
    expect(asked).toEqual([2, 1]);
  });

  it('is not looked for where none is open at a majority', async () => {
    const { asked, attempt } = five([refused([1], [3], [4])]);
    await attempt();
    expect(asked).toEqual([2]);
  });

  it('is looked for three times at the most', async () => {
    const { asked, attempt } = five(Array.from({ length: 9 }, () => refused([1, 3], [1, 3], [1, 3])));
    await attempt();
    expect(asked).toHaveLength(4);
  });

  it('is not looked for where nodes did not answer', async () => {
    const votes = [...refused([1], [1]).votes, { ...about, ...failed('disconnected', '') }];
    const { asked, attempt } = five([{ outcome: 'no-quorum', votes }]);
    expect((await attempt()).outcome).toBe('no-quorum');
    expect(asked).toEqual([2]);
  });

  it('that was looked for is the answer where some node was asked', async () => {
    const votes = [
      { ...about, ...failed('overloaded', '') },
      { ...about, ...failed('disconnected', '') },
      { ...about, ...failed('disconnected', '') },
    ];
    const { attempt } = five([refused([1], [1], [1]), { outcome: 'no-quorum', votes }]);
    expect((await attempt()).outcome).toBe('no-quorum');
  });
});
