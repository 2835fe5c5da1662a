import type { PeerName } from '../peers/names.ts';
import type { PeerSettings } from '../peers/peer.ts';

/** What the coordinator tells a process. All moments are of `process.hrtime.bigint()`, one clock for a machine. */
export type ToWorker =
  | {
      readonly kind: 'load';
      readonly peer: PeerName;
      readonly settings: PeerSettings;
      readonly urls: readonly string[];
    }
  | ({ readonly kind: 'run' } & RunTerms)
  | ({ readonly kind: 'burst' } & BurstTerms)
  | ({ readonly kind: 'cycles' } & CyclesTerms)
  | { readonly kind: 'hold'; readonly resource: string; readonly ttl: number }
  | ({ readonly kind: 'hoard' } & HoardTerms)
  | { readonly kind: 'heap' }
  | { readonly kind: 'alone'; readonly resource: string; readonly durationMs: number };

/** What a process answers, one answer for each. */
export type FromWorker =
  | { readonly kind: 'loaded' }
  | ({ readonly kind: 'run' } & RunReport)
  | ({ readonly kind: 'burst' } & BurstReport)
  | ({ readonly kind: 'cycles' } & CyclesReport)
  /** It holds the lock, and will not give it back. It asked at that moment. */
  | { readonly kind: 'hold'; readonly askedAt: bigint }
  | { readonly kind: 'hoard'; readonly held: number }
  /** What is left after a collection, and what the system has given to the process. */
  | { readonly kind: 'heap'; readonly heapBytes: number; readonly residentBytes: number }
  | { readonly kind: 'alone'; readonly acquireMs: readonly number[] };

/** Workers that take a lock and give it back, again and again, each of them its own. */
export interface CyclesTerms {
  /** What its keys begin with. */
  readonly resource: string;
  readonly workers: number;
  readonly durationMs: number;
}

export interface CyclesReport {
  readonly cycles: number;
  /** How long it took, in milliseconds. */
  readonly elapsedMs: number;
  /** Of this process, in microseconds. */
  readonly cpuUs: number;
  readonly acquireP50Ms: number;
  readonly acquireP99Ms: number;
  /** Acquires that rejected. */
  readonly failures: number;
}

/** Locks that a process takes and keeps. */
export interface HoardTerms {
  /** What its keys begin with. */
  readonly resource: string;
  /** With those that it has already. */
  readonly upTo: number;
  readonly ttl: number;
  /** How many acquires are under way at a time. */
  readonly atOnce: number;
}

/** Contenders that ask, hold, give back and ask again. */
export interface RunTerms {
  readonly resource: string;
  /** How many of them in this process. */
  readonly contenders: number;
  readonly startAt: bigint;
  /** From the start on, before anything is measured. */
  readonly warmUpMs: number;
  /** From the end of the warm-up on. */
  readonly measuredMs: number;
}

export interface RunReport {
  readonly contenders: readonly ContenderReport[];
  /** Commands that this process sent in the measured time. */
  readonly commands: number;
}

/** All moments are milliseconds since the run's start; nothing is left out, the warm-up neither. */
export interface ContenderReport {
  readonly holds: readonly Hold[];
  /** Since when it was waiting at the end; undefined if it held the lock, or was giving it back. */
  readonly waitingSinceMs: number | undefined;
  /** How often an acquire rejected; it asked again at once, and the wait went on. */
  readonly failures: number;
}

/** One acquisition. */
export interface Hold {
  readonly askedAtMs: number;
  /** When acquire returned. */
  readonly acquiredAtMs: number;
  /** When release was called; the end of the run if that came first. */
  readonly releasedAtMs: number;
}

/** Contenders that ask at the same moment, once each. */
export interface BurstTerms {
  readonly resource: string;
  /** How many of them in this process. */
  readonly contenders: number;
  readonly startAt: bigint;
  /** After it no contender waits any more. */
  readonly limitMs: number;
}

export interface BurstReport {
  readonly contenders: readonly ContenderReport[];
  /** When the release of this process's last holder returned, in milliseconds since the start. */
  readonly lastReleasedAtMs: number;
  /** How many contenders were not through at the limit. */
  readonly unfinished: number;
}
