import type { Timer } from '../base/clock.ts';
import { currentMarker, type Handshake, isFresh, parseMarker } from '../node/marker.ts';
import type { Node } from '../node/node.ts';

/** The client that starts a new deployment has this long before another one may start it. */
const CLAIM_MS = 2_000;

/** What a membership knows of one node. */
export interface Member {
  readonly node: Node;
  handshake: Handshake | undefined;
  /** The longest ttl in use, in milliseconds, as far as its markers have told; 0 if they have not. */
  longestTtl: number;
  /**
   * The nonce of the joining marker that this client watches, and since when it has been there, by the monotonic
   * clock.
   */
  joining: { readonly nonce: string; readonly sinceMs: number; readonly isOurs: boolean } | undefined;
  /** A claim on it, and until when, by this client's clock, the claim keeps others from starting the node. */
  claim: { readonly marker: string; readonly untilMs: number } | undefined;
  /** Whether its marker was to be written, and the look that this depends on was too old when that arrived. */
  isFar: boolean;
  timer: Timer | undefined;
}

export function newMember(node: Node): Member {
  return {
    node,
    handshake: undefined,
    longestTtl: 0,
    joining: undefined,
    claim: undefined,
    isFar: false,
    timer: undefined,
  };
}

/** Whether it is without memory, and neither quarantined nor part of a new deployment yet. */
export function isUndecided({ node, handshake, joining }: Member): boolean {
  return (
    handshake !== undefined &&
    isFresh(handshake) &&
    joining === undefined &&
    !node.isVoting &&
    !node.isRefused
  );
}

/** Notes the longest ttl of a marker. Only a marker that lets the node vote may shorten it, after initialize(). */
export function noteTtl(member: Member, handshake: Pick<Handshake, 'marker' | 'runId'>): void {
  const { maxTtl = 0 } = parseMarker(handshake.marker) ?? {};
  const isActive = currentMarker(handshake)?.state === 'active';
  member.longestTtl = isActive ? maxTtl : Math.max(member.longestTtl, maxTtl);
}

/** Notes another client's claim on a node, or that there is none. */
export function noteClaim(member: Member, handshake: Handshake): void {
  const isClaimed = currentMarker(handshake)?.state === 'starting';
  if (!isClaimed) member.claim = undefined;
  else if (member.claim?.marker !== handshake.marker) {
    member.claim = { marker: handshake.marker, untilMs: handshake.receivedAtMs + CLAIM_MS };
  }
}

/** Notes this client's own claim, which does not keep it from claiming the node again. */
export function noteOwnClaim(member: Member, { marker }: Handshake): void {
  member.claim = { marker, untilMs: Number.NEGATIVE_INFINITY };
}

/** Whether another client claimed a node so recently that it may be about to make the node active. */
export function isBeingStarted({ claim }: Member, nowMs: number): boolean {
  return claim !== undefined && nowMs < claim.untilMs;
}

/** Tells the quarantine that a node is in from every other one; undefined: it is in none. */
export function joiningNonce(handshake: Handshake): string | undefined {
  const marker = currentMarker(handshake);
  return marker?.state === 'joining' ? marker.nonce : undefined;
}
