import type { Clock } from '../base/clock.ts';

/** β: how far a proposed token may be away from a node's own TIME, in milliseconds. */
export const CLAMP_MS = 1_000;

/** What a node needs to know of its quorum. All durations in milliseconds. */
export interface NodeSettings {
  readonly clock: Clock;
  readonly nodeCount: number;
  readonly driftFactor: number;
  readonly maxTtl: number;
  /** The longest time that the node may have to answer anything. */
  readonly nodeTimeout: number;
  /** The time that it has at least, however fast it has been, as long as the call's ttl leaves so much. */
  readonly leastTimeout: number;
  /** For how long a free key is reserved for a waiter that was notified. */
  readonly grace: number;
  /** How long a server has to say what it is. */
  readonly handshakeTimeout: number;
  readonly fenceRetention: number;
  readonly usesMarker: boolean;
  /** Keys in the form of a lock's keys, which no lock has, to try out what locks need; see `wire/lua/marker.lua`. */
  readonly probeKeys: readonly string[];
}
