import type { Timer } from '../base/clock.ts';
import { currentMarker, type Handshake, isFresh, parseMarker } from '../node/marker.ts';
import type { Node } from '../node/node.ts';

/** Whoever starts a new deployment has this long before somebody else may start it. */
const CLAIM_MS = 2_000;

/** What a membership knows of one node. */
export interface Member {
  readonly node: Node;
  handshake: Handshake | undefined;
  /** The longest ttl in use, in milliseconds, as far as its markers have told; 0 if they have not. */
  longestTtl: number;
  /**
   * The nonce of the joining marker that we watch, and since when, by our own clock, it has been there. What it says of
   * the longest ttl may be raised meanwhile.
   */
  joining: { readonly nonce: string; readonly sinceMs: number; readonly isOurs: boolean } | undefined;
  /** The claim on it that was seen, and until when, by our own clock, it keeps others from starting the node. */
  claim: { readonly marker: string; readonly untilMs: number } | undefined;
  timer: Timer | undefined;
}

/** A node that was not looked at yet. */
export function newMember(node: Node): Member {
  return {
    node,
    handshake: undefined,
    longestTtl: 0,
    joining: undefined,
    claim: undefined,
    timer: undefined,
  };
}

/** Without memory, and neither quarantined nor part of a new deployment yet. */
export function isUndecided({ node, handshake, joining }: Member): boolean {
  return (
    handshake !== undefined &&
    isFresh(handshake) &&
    joining === undefined &&
    !node.isVoting &&
    !node.isRefused
  );
}

/**
 * Takes note of the longest ttl that a marker tells of. Only one that lets the node vote may tell of a shorter one than before:
 * initialize() has declared that no lock is held.
 */
export function noteTtl(member: Member, handshake: Pick<Handshake, 'marker' | 'runId'>): void {
  const { maxTtl = 0 } = parseMarker(handshake.marker) ?? {};
  const isActive = currentMarker(handshake)?.state === 'active';
  member.longestTtl = isActive ? maxTtl : Math.max(member.longestTtl, maxTtl);
}

/** Takes note of somebody's claim on a node, or that there is none. */
export function noteClaim(member: Member, handshake: Handshake): void {
  const isClaimed = currentMarker(handshake)?.state === 'starting';
  if (!isClaimed) member.claim = undefined;
  else if (member.claim?.marker !== handshake.marker) {
    member.claim = { marker: handshake.marker, untilMs: handshake.receivedAtMs + CLAIM_MS };
  }
}

/** Takes note of a claim of our own, which does not keep us from claiming the node again. */
export function noteOwnClaim(member: Member, { marker }: Handshake): void {
  member.claim = { marker, untilMs: Number.NEGATIVE_INFINITY };
}

/** Whether somebody else claimed a node so recently that they may be about to make it active. */
export function isBeingStarted({ claim }: Member, nowMs: number): boolean {
  return claim !== undefined && nowMs < claim.untilMs;
}

/** What tells the quarantine that a node is in from every other one; undefined: it is in none. */
export function joiningNonce(handshake: Handshake): string | undefined {
  const marker = currentMarker(handshake);
  return marker?.state === 'joining' ? marker.nonce : undefined;
}
