import type { Clock } from '../base/clock.ts';
import type { NodeState } from '../base/diagnostics.ts';
import { currentMarker } from '../node/marker.ts';
import type { Member } from './member.ts';
import type { Standing } from './node-states.ts';

/** What is known of one node. What the node has not told is undefined. */
export interface NodeStatus {
  /** Its address. */
  readonly node: string;
  readonly state: NodeState;
  /** Since when it is in this state, in milliseconds since the epoch, by this machine's clock. */
  readonly since: number;
  /** Why it does not vote, or its votes do not count, and what to do; undefined if they do. */
  readonly why: string | undefined;
  /** When its votes count again by themselves, in milliseconds since the epoch, as far as is known. */
  readonly until: number | undefined;
  /** The smoothed round trip, in milliseconds. */
  readonly roundTripMs: number | undefined;
  /** How far its clock is ahead of this machine's, in milliseconds, at best guess; negative: behind. */
  readonly clockOffsetMs: number | undefined;
  /** `7.0.15`, or `valkey 8.1.1`. */
  readonly version: string | undefined;
  /** Names the running server process. */
  readonly runId: string | undefined;
  readonly role: string | undefined;
  /** `maxmemory-policy`. Only `noeviction` keeps locks when the memory is full. */
  readonly evictionPolicy: string | undefined;
  /** The text of the key `quorlock:node`; undefined if there is none. */
  readonly marker: string | undefined;
  /** Whether the marker is of the running server process, and lets it vote. */
  readonly isMarkerActive: boolean;
}

/** @param quarantinedUntilMs on the monotonic clock */
export function statusOf(
  { node, handshake }: Member,
  { state, sinceMs, why }: Standing,
  quarantinedUntilMs: number | undefined,
  clock: Clock,
): NodeStatus {
  const wallMs = clock.wall();
  const { aheadUs } = node.time;
  let leftMs = state === 'clock' ? node.clockWrongForMs : undefined;
  if (state === 'quarantined' && quarantinedUntilMs !== undefined)
    leftMs = Math.max(0, quarantinedUntilMs - clock.monotonic());
  return {
    node: node.address,
    state,
    since: wallMs - (clock.uptime() - sinceMs),
    why: why() || undefined,
    until: leftMs === undefined ? undefined : wallMs + leftMs,
    roundTripMs: node.roundTripMs || undefined,
    clockOffsetMs: aheadUs === undefined ? undefined : aheadUs / 1_000 + clock.uptime() - wallMs,
    version: handshake?.version || undefined,
    runId: handshake?.runId || undefined,
    role: handshake?.role || undefined,
    evictionPolicy: handshake?.evictionPolicy || undefined,
    marker: handshake?.marker || undefined,
    isMarkerActive: handshake !== undefined && currentMarker(handshake)?.state === 'active',
  };
}
