import { validityMs } from '../../../src/lock/lease.ts';

/**
 * How long a lock is good for by its holder's clock, in milliseconds: the ttl less ⌈ttl × driftFactor⌉ + 2, from
 * before its request was sent.
 */
export function validityOf(ttl: number, driftFactor: number): number {
  return validityMs(ttl, 0, driftFactor);
}

/**
 * The relative error from which on a lock can be another client's before `validityMs` is over: a node whose clock
 * gains `error` on the holder's drops a key `ttl / (1 + error)` after it was set, by the holder's clock. Exact for
 * messages that take no time; what they take only makes it larger.
 */
export function safeError(ttl: number, validityMs: number): number {
  return ttl / validityMs - 1;
}

/**
 * The same in general, without the 2 ms and the rounding: validity `ttl × (1 - driftFactor)` ends before
 * `ttl / (1 + error)` as long as the error is not above this. It is above `driftFactor` itself.
 */
export function safeErrorOfFactor(driftFactor: number): number {
  return driftFactor / (1 - driftFactor);
}

/** By how much a node's clock may step forward while a lock is held, in milliseconds, its rate being right. */
export function safeStepMs(ttl: number, driftFactor: number): number {
  return ttl - validityMs(ttl, 0, driftFactor);
}

/**
 * How many of the nodes that granted a lock must lose it too early before another client has a majority: those that
 * did not grant it are that client's anyway.
 */
export function nodesToMislead(majority: number, nodes: number, grantingNodes: number): number {
  return majority - (nodes - grantingNodes);
}
