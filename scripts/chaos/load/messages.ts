import type { Quarantine } from '../../../src/index.ts';

/** How a run locks. Durations in milliseconds. */
export interface LockTerms {
  readonly ttl: number;
  readonly maxTtl: number;
  readonly nodeTimeout: number;
  readonly quarantine: Quarantine;
  /** What everybody contends for. */
  readonly resources: readonly string[];
  readonly callersPerWorker: number;
  /** Whether all of them hold their locks only briefly. */
  readonly isBrief: boolean;
}

export interface Assignment {
  readonly name: string;
  readonly seed: number;
  readonly urls: readonly string[];
  readonly storeUrl: string;
  readonly logFile: string;
  readonly terms: LockTerms;
}

export type ToWorker =
  | { readonly kind: 'start'; readonly assignment: Assignment }
  /** Finish what is under way, close, and end. */
  | { readonly kind: 'finish' };

export type FromWorker =
  | { readonly kind: 'loaded' }
  /** A caller waits now. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'granted' }
  /** A caller has checked that it holds its lock, and is about to write. */
  | { readonly kind: 'writing' }
  | { readonly kind: 'finished'; readonly problems: readonly string[] };
