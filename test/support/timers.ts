import { expect } from 'vitest';
import type { VirtualClock } from '../../src/testing/virtual-clock.ts';

/** The default of nodeTimeout: a node's one timer stands so long, though the answer has come. */
const NODE_TIMEOUT_MS = 50;

/** No timer is left but those of nodes, which end without being set again. */
export async function expectNoTimers(clock: VirtualClock): Promise<void> {
  await clock.advance(NODE_TIMEOUT_MS);
  expect(clock.pendingTimers).toBe(0);
}
