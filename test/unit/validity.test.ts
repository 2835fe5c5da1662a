import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { validityMs } from '../../src/lock/lease.ts';

const ttls = fc.integer({ min: 1, max: 31_536_000_000 });
const elapsedTimes = fc.double({ min: 0, max: 1e11, noNaN: true });
const driftFactors = fc.double({ min: 0, max: 0.5, noNaN: true });

describe('validity', () => {
  it('is the ttl, less what has passed, less ⌈ttl × driftFactor⌉ + 2 ms', () => {
    expect(validityMs(10_000, 0, 0.01)).toBe(9_898);
    expect(validityMs(10_000, 9_898, 0.01)).toBe(0);
    expect(validityMs(10_001, 0.25, 0.01)).toBe(10_001 - 0.25 - 103);
    expect(validityMs(1, 0, 0)).toBe(-1);
  });

  it('never exceeds ttl - elapsed - drift', () => {
    fc.assert(
      fc.property(ttls, elapsedTimes, driftFactors, (ttl, elapsed, driftFactor) => {
        expect(validityMs(ttl, elapsed, driftFactor)).toBeLessThanOrEqual(ttl - elapsed - ttl * driftFactor);
      }),
    );
  });

  it('is over before a node whose clock runs faster by driftFactor has expired the key', () => {
    fc.assert(
      fc.property(ttls, driftFactors, (ttl, driftFactor) => {
        const validFor = validityMs(ttl, 0, driftFactor);
        expect(validFor * (1 + driftFactor)).toBeLessThan(ttl);
      }),
    );
  });

  it('shrinks as time passes, and with a larger drift; grows with the ttl', () => {
    fc.assert(
      fc.property(ttls, elapsedTimes, driftFactors, fc.nat(1_000_000), (ttl, elapsed, driftFactor, more) => {
        const validity = validityMs(ttl, elapsed, driftFactor);
        expect(validityMs(ttl, elapsed + more, driftFactor)).toBeLessThanOrEqual(validity);
        expect(validityMs(ttl, elapsed, driftFactor + more / 1e6)).toBeLessThanOrEqual(validity);
        expect(validityMs(ttl + more, elapsed, driftFactor)).toBeGreaterThanOrEqual(validity);
      }),
    );
  });
});
