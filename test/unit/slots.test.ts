import { describe, expect, it } from 'vitest';
import type { NodeVote } from '../../src/base/vote.ts';
import type { Attempt, Attempts } from '../../src/lock/attempts.ts';
import { Slots } from '../../src/redlock/slots.ts';
import { failed } from '../../src/wire/operation.ts';

const about = { node: 'a:1', latencyMs: 1 };
const HELD = { ...about, outcome: 'held', remainingTtl: 7 } as const;

/** What three nodes answer: each names the slots that are open there. */
const refused = (...open: readonly (readonly number[])[]): Attempt => ({
  outcome: 'held',
  votes: open.map((slots): NodeVote => ({ ...HELD, open: slots })),
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
    // Two of them end, one after the other.
    for (const used of [1, 4]) ends[asked.indexOf(used)]?.();
    await attempt();
    // Refused, it is not used.
    await attempt();
    expect(asked.slice(6)).toEqual([4, 4]);
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

  it('is not looked for where nodes name none', async () => {
    const { asked, attempt } = five([{ outcome: 'held', votes: [HELD, HELD, HELD] }]);
    await attempt();
    expect(asked).toEqual([2]);
  });

  it('is not looked for where nodes did not answer', async () => {
    const votes = [...refused([1], [1]).votes, { ...about, ...failed('disconnected', '') }];
    const { asked, attempt } = five([{ outcome: 'no-quorum', votes }]);
    expect((await attempt()).outcome).toBe('no-quorum');
    expect(asked).toEqual([2]);
  });

  /** Of three nodes, this number were asked, and did not answer. */
  const unanswered = (asked: number): Attempt => ({
    outcome: 'no-quorum',
    votes: [0, 1, 2].map((node) => ({ ...about, ...failed(node < asked ? 'timeout' : 'overloaded', '') })),
  });

  it.each([
    [[unanswered(0)], 'no-quorum'],
    [[refused([1], [1], [1]), unanswered(2)], 'no-quorum'],
    // What nodes said before tells more.
    [[refused([1], [1], [1]), unanswered(0)], 'held'],
  ])('tells of the last attempt of which some node has heard: %#', async (answers, outcome) => {
    expect((await five(answers).attempt()).outcome).toBe(outcome);
  });
});
