import { expect, it } from 'vitest';
import type { Lock } from '../../src/index.ts';
import type { Acquirer, LockSpec } from '../../src/redlock/acquirer.ts';
import { BatchAcquire } from '../../src/redlock/batch-acquire.ts';
import type { AcquireOptions, Settings } from '../../src/redlock/options.ts';
import type { Slots } from '../../src/redlock/slots.ts';
import { VirtualClock } from '../../src/testing/index.ts';

it('several permits of which one can’t be acquired: the others, which no holder releases, are waited for no more', async () => {
  const mutex = {} as LockSpec;
  const given: string[] = [];
  const lock = { ttl: 1_000, remainingValidity: () => 0, release: async () => given.push('mutex') };
  const failure = new Error('no quorum');
  let asked = 0;
  const acquire = async (demand: LockSpec, { signal }: AcquireOptions): Promise<Lock> => {
    if (demand === mutex) return lock as unknown as Lock;
    asked += 1;
    if (asked === 1) throw failure;
    return await new Promise<Lock>((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason));
    });
  };
  const acquirer = { acquire } as unknown as Acquirer;
  const slots = { spec: () => ({}) } as unknown as Slots;
  const settings = { settings: {} as Settings, clock: new VirtualClock(), acquirer, mutex };
  const waitTime = Number.POSITIVE_INFINITY;
  await expect(new BatchAcquire(settings, slots).acquire(3, { waitTime })).rejects.toBe(failure);
  expect(asked).toBe(3);
  expect(given).toEqual(['mutex']);
});
