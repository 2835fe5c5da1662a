/**
 * The time in which one holder acted under a lock. It ends with the last thing that the holder did after it had made
 * sure that it still held the lock. That, and not the time until the release, must not overlap with another holder's.
 */
export interface Interval {
  readonly holder: string;
  /** Any unit, on one clock that all holders share. */
  readonly from: number;
  readonly to: number;
  readonly token?: number | undefined;
}

/** An interval of a holder that may have shared the lock with others. */
export interface SharedInterval extends Interval {
  /** Whether others might hold the lock at the same time. Default: it was held alone. */
  readonly isShared?: boolean | undefined;
}

/** Two holders that acted at the same time. */
export interface Overlap<Section extends Interval> {
  readonly first: Section;
  readonly second: Section;
  /** For how long both acted; 0 if one of them is a single moment. */
  readonly length: number;
}

/**
 * All pairs of intervals that overlap and must not: readers may be together, a writer may not be beside any other.
 * Intervals that only touch do not overlap: a lock may change hands in one moment. The names of the holders do not
 * matter, since a lock excludes its own holder as well.
 *
 * @throws {RangeError} an interval that ends before it begins, or that is not made of numbers
 */
export function findOverlaps<Section extends SharedInterval>(
  intervals: readonly Section[],
): readonly Overlap<Section>[] {
  const overlaps: Overlap<Section>[] = [];
  let open: Section[] = [];
  for (const second of inOrder(intervals)) {
    open = open.filter(({ to }) => to > second.from);
    for (const first of open) {
      if (first.isShared === true && second.isShared === true) continue;
      overlaps.push({ first, second, length: Math.min(first.to, second.to) - second.from });
    }
    open.push(second);
  }
  return overlaps;
}

/**
 * Intervals in the order of their beginnings.
 *
 * @throws {RangeError} an interval that ends before it begins, or that is not made of numbers
 */
export function inOrder<Section extends Interval>(intervals: readonly Section[]): readonly Section[] {
  for (const { holder, from, to } of intervals) {
    if (to >= from) continue;
    throw new RangeError(`the interval of ${holder} must end after it begins: got ${from} to ${to}`);
  }
  return [...intervals].sort((a, b) => a.from - b.from || a.to - b.to);
}
