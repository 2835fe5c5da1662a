import type { Terms } from './terms.ts';

/** One lock that a caller got. Moments are milliseconds of the clock in time.ts. */
export interface Section {
  readonly caller: string;
  readonly resources: readonly string[];
  /** Whether others might have it at the same time. Default: nobody. */
  readonly isShared?: boolean;
  readonly token: number;
  readonly requestedAt: number;
  readonly grantedAt: number;
  /**
   * When it acted: moments after which a check that the lock is held went through. Taken before the check, for the
   * process may be stopped right after it, and no lock can help that. Undefined if no check ever went through.
   */
  readonly acted: { readonly first: number; readonly last: number } | undefined;
  /** Until when the lock was valid for sure, by what it said itself when it was last asked, or until its release. */
  readonly validUntil: number;
}

/** What one worker did in one run. */
export interface Report {
  readonly sections: readonly Section[];
  /** Attempts that got no lock, extensions that failed and locks that were lost: how many of each code. */
  readonly counts: Readonly<Record<string, number>>;
  /** Anything that must not happen at all. */
  readonly problems: readonly string[];
}

export interface Assignment {
  readonly name: string;
  readonly seed: number;
  readonly urls: readonly string[];
  readonly terms: Terms;
}

export type ToWorker =
  | { readonly kind: 'start'; readonly assignment: Assignment }
  /** Finish what is under way and report. */
  | { readonly kind: 'finish' };

export type FromWorker =
  | { readonly kind: 'loaded' }
  | { readonly kind: 'granted' }
  | { readonly kind: 'finished'; readonly report: Report };
