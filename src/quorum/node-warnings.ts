import type { RedlockWarning } from '../base/warning.ts';

/** @param byMs how far the clock is ahead (positive) or behind (negative), in milliseconds */
export function clockWarning(address: string, byMs: number, maxTtl: number): RedlockWarning {
  const how = `${Math.abs(Math.round(byMs))} ms ${byMs > 0 ? 'ahead of' : 'behind'}`;
  return {
    code: 'QUORLOCK_CLOCK',
    message:
      `the clock of ${address} is ${how} what it should be since it was last read. Its votes do not count for ` +
      `${maxTtl} ms. Have its clock slewed, not stepped, or raise driftFactor`,
  };
}

export function evictionWarning(address: string, policy: string): RedlockWarning {
  return {
    code: 'QUORLOCK_EVICTION',
    message:
      `${address} may evict locks when its memory is full (maxmemory-policy ${policy}). Set maxmemory-policy to ` +
      'noeviction',
  };
}
