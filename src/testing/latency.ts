import { describe, read, shorten } from '../base/describe.ts';
import type { Random } from '../base/random.ts';

/** The time that a message takes one way, in milliseconds. */
export type Latency =
  /** Uniform between two bounds. */
  | { readonly least: number; readonly most: number }
  /** At least `least` (default 0), and beyond that exponential: on average `mean` in all. */
  | { readonly least?: number; readonly mean: number }
  /**
   * Log-normal, as measured networks are: half of all messages take longer than the median, one in 100 longer than p99.
   */
  | { readonly median: number; readonly p99: number };

/** The 99th percentile of the standard normal distribution. */
const NORMAL_P99 = 2.3263478740408408;

export function drawLatency(latency: Latency, random: Random): number {
  if ('most' in latency) return latency.least + (latency.most - latency.least) * random.fraction();
  if ('mean' in latency) {
    const least = latency.least ?? 0;
    return least - (latency.mean - least) * Math.log(1 - random.fraction());
  }
  const spread = Math.log(latency.p99 / latency.median) / NORMAL_P99;
  return latency.median * Math.exp(spread * drawNormal(random));
}

/**
 * @throws {TypeError} no object, or one that can't be read
 * @throws {RangeError} a latency that is negative, not a number, or whose parts contradict each other
 */
export function checkLatency(name: string, latency: Latency): void {
  if (typeof latency !== 'object' || latency === null) {
    throw new TypeError(`${name} must be an object: got ${describe(latency)}`);
  }
  const isRight = read(name, () => {
    const numbers = Object.values(latency).filter((value) => value !== undefined);
    const isOrdered =
      'most' in latency
        ? latency.least <= latency.most
        : 'mean' in latency
          ? (latency.least ?? 0) <= latency.mean
          : latency.median > 0 && latency.median <= latency.p99;
    return numbers.every((value) => Number.isFinite(value) && value >= 0) && isOrdered;
  });
  if (isRight) return;
  // JSON has no bigint, and null in place of NaN and Infinity.
  const shown = (_: string, value: unknown) =>
    typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))
      ? describe(value)
      : value;
  const got = shorten(read(name, () => String(JSON.stringify(latency, shown))));
  throw new RangeError(`${name} must be made of milliseconds that do not contradict: got ${got}`);
}

/** Box and Muller's transform: "A note on the generation of random normal deviates", 1958. */
function drawNormal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.fraction()));
  return radius * Math.cos(2 * Math.PI * random.fraction());
}
