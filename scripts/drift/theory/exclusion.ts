import { errorOfEach } from '../trials/clock-terms.ts';
import { atLeast } from './binomial.ts';
import { integrate } from './integral.ts';
import { majorityOf } from './majority.ts';

/**
 * What lies between the end of a key's ttl and the rival's lock, and between the holder's last check and the end of
 * its validity, in milliseconds, at the least, on average and at the most: the request that set the key takes 0.1 to
 * 0.5, Redis keeps the key to the end of a whole millisecond, the rival's round trip to a majority takes 0.2 to 1,
 * and the holder's wall clock, which shows whole milliseconds, may be ahead of its monotonic one by up to 1.
 */
export const SLACK_MS = { least: 0.3, typical: 2, most: 3.5 } as const;

/** A lock whose nodes' clocks are all drawn by themselves. */
interface RandomClocks {
  readonly nodes: number;
  readonly ttl: number;
  /** How long the holder counts on the lock, by its own clock. */
  readonly validityMs: number;
  /** The largest relative error between any two clocks. */
  readonly relativeError: number;
  /** See {@link SLACK_MS}. */
  readonly slackMs: number;
}

/**
 * The probability that a lock is another client's before its validity is over, when every clock's rate is drawn evenly
 * from 1 ± δ. The rival needs a majority of nodes whose keys end early, so it is the majority-th fastest clock that
 * counts: over all rates of the holder's clock, the mean of the probability that a majority of the nodes is fast enough.
 */
export function overlapProbability({ nodes, ttl, validityMs, relativeError, slackMs }: RandomClocks): number {
  const each = errorOfEach(relativeError);
  if (each === 0) return validityMs - slackMs > ttl ? 1 : 0;
  const shareAbove = (rate: number) => Math.min(1, Math.max(0, (1 + each - rate) / (2 * each)));
  const given = (holderRate: number) => {
    // The key must be gone, and the slack over, before the holder's clock has counted the validity.
    const tooFastFrom = ttl / (validityMs / holderRate - slackMs);
    return atLeast(majorityOf(nodes), nodes, shareAbove(tooFastFrom));
  };
  return integrate(given, 1 - each, 1 + each) / (2 * each);
}

/** A lock whose holder is stopped once, at any moment of its validity, between a check and a write. */
interface PausedHolder {
  readonly ttl: number;
  readonly validityMs: number;
  readonly pauseMs: number;
  /** See {@link SLACK_MS}. */
  readonly slackMs: number;
}

/**
 * The probability that the write comes after the next holder's first one, with clocks that run right: the pause
 * must begin less than its own length before the key's end.
 */
export function lateWriteProbability({ ttl, validityMs, pauseMs, slackMs }: PausedHolder): number {
  const reachesMs = pauseMs - (ttl - validityMs) - slackMs;
  return Math.min(1, Math.max(0, reachesMs / validityMs));
}
