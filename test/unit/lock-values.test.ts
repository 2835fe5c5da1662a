import { describe, expect, it } from 'vitest';
import { ownerIn } from '../../src/base/owner.ts';
import { SystemRandom } from '../../src/base/random.ts';
import { LockValues } from '../../src/lock/attempts.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';

describe('lock values', () => {
  it('never repeat, within a process and across processes', () => {
    const values = new Set<string>();
    for (let process = 0; process < 100; process += 1) {
      const source = new LockValues(new SystemRandom(), 'web.3:4711');
      for (let attempt = 0; attempt < 1_000; attempt += 1) values.add(source.next());
    }
    expect(values.size).toBe(100_000);
  });

  it('of two processes differ although both begin to count at one', () => {
    const random = new SeededRandom(7);
    expect(new LockValues(random, 'a').next()).not.toBe(new LockValues(random, 'a').next());
  });

  it('end with a count of the attempts of their process', () => {
    const values = new LockValues(new SeededRandom(7), 'web.3:4711');
    const counts = Array.from({ length: 36 }, () => values.next().split('.').at(-1));
    expect([...counts.slice(0, 3), ...counts.slice(-2)]).toEqual(['1', '2', '3', 'z', '10']);
  });

  it('begin with 128 bits that can’t be guessed', () => {
    const [prefix = ''] = new LockValues(new SystemRandom(), 'web.3:4711').next().split('@');
    expect(Buffer.from(prefix, 'base64url')).toHaveLength(16);
  });

  it.each(['web.3:4711', 'a@b', 'ü.+ 中', 'x'.repeat(64), 'a.+b/5:7'])('name their owner: %s', (owner) => {
    const values = new LockValues(new SystemRandom(), owner);
    expect(ownerIn(values.next())).toBe(owner);
    expect(ownerIn(`${values.process}.+1f/20`)).toBe(owner);
  });

  it.each(['', '&', '~', 'a-value', 'VdK3yM0oQkq.1', '~abc@web-3:4711.1', 'some one@web-3:4711.1'])(
    'of other libraries name none: %j',
    (value) => {
      expect(ownerIn(value)).toBeUndefined();
    },
  );
});
