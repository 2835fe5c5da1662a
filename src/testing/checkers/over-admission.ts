import { type Interval, inOrder } from './overlaps.ts';

/** A holder's use of permits of a semaphore. */
export interface Occupancy extends Interval {
  /** The number of permits. Default 1. */
  readonly permits?: number | undefined;
}

/** A moment at which too many permits were in use. */
export interface OverAdmission<Occupied extends Occupancy> {
  /** The holder that came when there was no permit left. */
  readonly last: Occupied;
  /** All that held permits then, in the order of their coming. */
  readonly all: readonly Occupied[];
  /** The number of permits they held together. */
  readonly permits: number;
}

/**
 * Every moment at which a holder got permits of a semaphore of `size` while others held too many for that. Permits that
 * change hands in one moment are never in use twice.
 *
 * @throws {RangeError} an interval that ends before it begins, or that is not made of numbers
 */
export function findOverAdmissions<Occupied extends Occupancy>(
  occupancies: readonly Occupied[],
  size: number,
): readonly OverAdmission<Occupied>[] {
  const found: OverAdmission<Occupied>[] = [];
  let present: Occupied[] = [];
  for (const last of inOrder(occupancies)) {
    present = present.filter(({ to }) => to > last.from);
    present.push(last);
    const permits = present.reduce((sum, { permits = 1 }) => sum + permits, 0);
    if (permits > size) found.push({ last, all: [...present], permits });
  }
  return found;
}
