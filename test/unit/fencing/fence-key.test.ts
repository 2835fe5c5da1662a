import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fenceKey } from '../../../src/fencing/fence-key.ts';

// That the slots agree is asked of a real Redis Cluster, in test/fleet/fencing-guard.test.ts.
describe('fenceKey', () => {
  it.each([
    ['stock', 'quorlock:guard:whole:{stock}'],
    ['a{b', 'quorlock:guard:whole:{a{b}'],
    ['{user:7}:stock', 'quorlock:guard:tagged:{user:7}:stock'],
    ['a}b', 'quorlock:guard:slot:{20658}:a}b'],
    ['{}stock', 'quorlock:guard:slot:{29678}:{}stock'],
  ])('of %j is %j', (key, expected) => {
    expect(fenceKey(key)).toBe(expected);
  });

  it('is another one for every key, whatever its braces', () => {
    const key = fc.string({ unit: fc.constantFrom('{', '}', 'a', '7', ':'), minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(key, key, (one, other) => {
        expect(fenceKey(one) === fenceKey(other)).toBe(one === other);
        expect(fenceKey(one)).not.toBe(other);
      }),
    );
  });
});
