import type { Clock } from '../base/clock.ts';

/** β: how far a proposed token may be away from a node's own TIME, in milliseconds. */
export const CLAMP_MS = 1_000;

/** What a node needs to know of its quorum. All durations in milliseconds. */
export interface NodeSettings {
  readonly clock: Clock;
  readonly nodeCount: number;
  readonly driftFactor: number;
  readonly maxTtl: number;
  readonly nodeTimeout: number;
  /** How long a server has to say what it is. */
  readonly lookTimeout: number;
  readonly fenceRetention: number;
  /** Whether the node's marker must let it vote. */
  readonly usesMarker: boolean;
}

/** Pause before a server that would not be looked at is asked again. */
export const LOOK_AGAIN_MS = 250;
