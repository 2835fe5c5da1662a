import type { Section } from '../support/sections.ts';
import type { Terms } from './terms.ts';

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
