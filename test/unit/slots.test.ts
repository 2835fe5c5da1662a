import { describe, expect, it } from 'vitest';
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
