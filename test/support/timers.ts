import { expect } from 'vitest';
import type { VirtualClock } from '../../src/testing/virtual-clock.ts';

/**
 * No timer is left but those of nodes, which end without being set again.
 *
 * @param withinMs a node's one timer stands so long, though the answer has come: the time that the node had
 */
export async function expectNoTimers(clock: VirtualClock, withinMs = 100): Promise<void> {
  await clock.advance(withinMs);
  expect(clock.pendingTimers).toBe(0);
}
