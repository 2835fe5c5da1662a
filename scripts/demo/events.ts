/** What happens in a worker. Moments are milliseconds of the clock in time.ts. */
export type WorkerEvent =
  /** A caller has the lock: its critical section begins. */
  | {
      readonly kind: 'granted';
      readonly section: string;
      readonly requestedAtMs: number;
      readonly atMs: number;
      readonly token?: number | undefined;
    }
  /** It made sure that it holds the lock, and has written. */
  | { readonly kind: 'wrote'; readonly section: string; readonly atMs: number; readonly value: number }
  | { readonly kind: 'extended'; readonly section: string; readonly atMs: number }
  /** It does nothing more under the lock; `lostBecause` is the code of the error that told it to stop. */
  | {
      readonly kind: 'ended';
      readonly section: string;
      readonly atMs: number;
      readonly lostBecause?: string | undefined;
    }
  /** It did not get the lock, for a reason that is to be expected: too few nodes, or too long a wait. */
  | { readonly kind: 'refused'; readonly atMs: number; readonly code: string };

/** What the demo tells a worker. */
export type ToWorker =
  | {
      readonly kind: 'start';
      readonly name: string;
      readonly urls: readonly string[];
      readonly counterFile: string;
      readonly journalFile: string;
      readonly locking: boolean;
    }
  | { readonly kind: 'stop' };

/** What a worker tells the demo; the events only for the display, the verdict comes from the journals. */
export type FromWorker = { readonly kind: 'loaded' } | WorkerEvent;
