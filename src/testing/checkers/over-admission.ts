import { type Interval, inOrder } from './overlaps.ts';

/** Somebody who had permits of a semaphore for a while. */
export interface Occupancy extends Interval {
  /** How many. Default 1. */
  readonly permits?: number | undefined;
}

/** A moment at which too many permits were in use. */
export interface OverAdmission<Occupied extends Occupancy> {
  /** Who came when there was no permit left. */
  readonly last: Occupied;
  /** All who had permits then, in the order of their coming. */
  readonly all: readonly Occupied[];
  /** How many permits they had together. */
  readonly permits: number;
}

/**
 * Every moment at which somebody came to have permits of a semaphore of so many while others had too many for that.
 * Permits that change hands in one moment are never in use twice.
 *
 * @throws {RangeError} an interval that ends before it begins, or that is not made of numbers
 */
export function findOverAdmissions<Occupied extends Occupancy>(
  occupancies: readonly Occupied[],
  size: number,
): readonly OverAdmission<Occupied>[] {
  const crowds: OverAdmission<Occupied>[] = [];
  let present: Occupied[] = [];
  for (const last of inOrder(occupancies)) {
    present = present.filter(({ to }) => to > last.from);
    present.push(last);
    const permits = present.reduce((sum, { permits = 1 }) => sum + permits, 0);
    if (permits > size) crowds.push({ last, all: [...present], permits });
  }
  return crowds;
}
