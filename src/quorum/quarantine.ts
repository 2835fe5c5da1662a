import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { RedlockWarning } from '../base/warning.ts';
import { CLAMP_MS } from '../node/node-settings.ts';

/**
 * What is done about a node that may have lost its memory. `auto`: it waits until all it may have forgotten has
 * expired, but a deployment in which *no* node has a marker is new and starts at once. `strict`: it waits even then.
 * `off`: nothing; a node that restarts empty may give away a lock that is still held.
 */
export type Quarantine = 'auto' | 'strict' | 'off';

/** What the membership of a quorum goes by. All durations in milliseconds. */
export interface MembershipSettings {
  readonly clock: Clock;
  readonly random: Random;
  readonly quarantine: Quarantine;
  readonly nodeCount: number;
  readonly maxTtl: number;
  readonly driftFactor: number;
  warn(warning: RedlockWarning): void;
}

/** Added to every quarantine, for what the nodes and this process do in between. */
const MARGIN_MS = 100;

/**
 * How long a node that may have lost its memory does not vote, in milliseconds by the clock of whoever watches it:
 * until all locks that it may have granted have expired, and its TIME is past every token that it may have given.
 */
export function quarantineMs(longestTtl: number, driftFactor: number): number {
  return longestTtl * (1 + driftFactor) + 2 * CLAMP_MS + MARGIN_MS;
}
