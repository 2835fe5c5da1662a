/** How the clocks of a trial run. */
type ClockErrors =
  /**
   * The worst that a relative error allows: every node's clock is fast and the holder's is slow, each by the same
   * amount, so that a node's clock gains `relativeError` on the holder's (0.1: it shows 11 s while that shows 10 s).
   * The rival's clock runs like the holder's, or like the nodes'.
   */
  | { readonly kind: 'apart'; readonly relativeError: number; readonly rivalLike: 'holder' | 'nodes' }
  /** Every clock runs at a rate of its own, evenly drawn, so that no two differ by more than `relativeError`. */
  | { readonly kind: 'random'; readonly relativeError: number };

/**
 * Who has watched the nodes' clocks for long enough to see them go wrong. `none`: holder and rival connect only when
 * they want the lock, so that they can't see a clock that is wrong all along. `both`: they watched before, too.
 */
export type Watchers = 'none' | 'rival' | 'both';

/** What one trial of exclusion is about. Durations in milliseconds. */
export interface ClockTerms {
  readonly nodes: number;
  readonly ttl: number;
  readonly driftFactor: number;
  readonly clocks: ClockErrors;
  readonly watchers: Watchers;
  /** How far some nodes' clocks are set forward while the lock is held; negative: back; 0: never. */
  readonly stepMs: number;
  /** How many of the nodes that granted the lock step. */
  readonly steppedNodes: number;
  /** How many nodes grant the holder's lock; the others do not hear of it. */
  readonly grantingNodes: number;
  /** For how long the holder is stopped between a check and the write that follows; 0: never. */
  readonly pauseMs: number;
}

/** Terms under which nothing goes wrong. */
export const PLAIN_TERMS: ClockTerms = {
  nodes: 5,
  ttl: 10_000,
  driftFactor: 0.01,
  clocks: { kind: 'apart', relativeError: 0, rivalLike: 'holder' },
  watchers: 'none',
  stepMs: 0,
  steppedNodes: 0,
  grantingNodes: 5,
  pauseMs: 0,
};

/** How far off each of two clocks runs, one fast and one slow, that differ by `relativeError`. */
export function errorOfEach(relativeError: number): number {
  return relativeError / (2 + relativeError);
}
