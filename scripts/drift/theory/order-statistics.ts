import { atLeast } from './binomial.ts';
import { integrate } from './integral.ts';
import { majorityOf } from './majority.ts';

/** How long a message takes one way, in milliseconds: exponential with a mean, or evenly up to `most`. */
export type OneWay =
  | { readonly kind: 'exponential'; readonly mean: number }
  | { readonly kind: 'uniform'; readonly most: number };

/** Below this share of all round trips their length is looked for. */
const NEARLY_ALL = 1 - 1e-12;

/** So often an interval is halved: a double has no more digits. */
const HALVINGS = 60;

/**
 * The probability that a round trip takes no longer than `ms`. It is the sum of two one-way trips: for exponential
 * ones Erlang's distribution of order 2, for even ones a triangle.
 */
export function roundTripWithin(oneWay: OneWay, ms: number): number {
  if (ms <= 0) return 0;
  if (oneWay.kind === 'exponential') {
    const means = ms / oneWay.mean;
    return 1 - Math.exp(-means) * (1 + means);
  }
  const share = ms / oneWay.most;
  if (share >= 2) return 1;
  return share <= 1 ? share ** 2 / 2 : 1 - (2 - share) ** 2 / 2;
}

/**
 * The probability that an acquisition takes no longer than `ms`: at least a majority of independent round trips does.
 * H. A. David and H. N. Nagaraja, "Order Statistics", 3rd edition, section 2.1.
 */
export function acquiredWithin(nodes: number, oneWay: OneWay, ms: number): number {
  return atLeast(majorityOf(nodes), nodes, roundTripWithin(oneWay, ms));
}

/** How long an acquisition takes at a quantile from 0 to 1, exclusive, in milliseconds. */
export function acquisitionQuantile(nodes: number, oneWay: OneWay, quantile: number): number {
  let [low, high] = [0, 1];
  while (acquiredWithin(nodes, oneWay, high) < quantile) high *= 2;
  for (let halving = 0; halving < HALVINGS; halving += 1) {
    const middle = (low + high) / 2;
    if (acquiredWithin(nodes, oneWay, middle) < quantile) low = middle;
    else high = middle;
  }
  return high;
}

/** The mean duration of an acquisition, in milliseconds: the integral of the probability that it takes longer. */
export function meanAcquisition(nodes: number, oneWay: OneWay): number {
  const longest = acquisitionQuantile(nodes, oneWay, NEARLY_ALL);
  return integrate((ms) => 1 - acquiredWithin(nodes, oneWay, ms), 0, longest);
}

/**
 * How far the distribution of a sample may be from its true one at any place, but for one sample in
 * 10,000: Kolmogorov's limit.
 */
export function kolmogorovLimit(samples: number): number {
  return Math.sqrt(Math.log(2 / 1e-4) / 2 / samples);
}
