import { describe, expect, it } from 'vitest';
import { SystemRandom } from '../../src/base/random.ts';
import { LockValues } from '../../src/lock/attempts.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';

describe('lock values', () => {
  it('never repeat, within a process and across processes', () => {
    const values = new Set<string>();
    for (let process = 0; process < 100; process += 1) {
      const source = new LockValues(new SystemRandom());
      for (let attempt = 0; attempt < 1_000; attempt += 1) values.add(source.next());
    }
    expect(values.size).toBe(100_000);
  });

  it('of two processes differ although both begin to count at one', () => {
    const random = new SeededRandom(7);
    expect(new LockValues(random).next()).not.toBe(new LockValues(random).next());
  });

  it('end with a count of the attempts of their process', () => {
    const values = new LockValues(new SeededRandom(7));
    const counts = Array.from({ length: 36 }, () => values.next().split('.')[1]);
    expect([...counts.slice(0, 3), ...counts.slice(-2)]).toEqual(['1', '2', '3', 'z', '10']);
  });

  it('begin with 128 bits that can’t be guessed', () => {
    const [prefix = ''] = new LockValues(new SystemRandom()).next().split('.');
    expect(Buffer.from(prefix, 'base64url')).toHaveLength(16);
  });
});
