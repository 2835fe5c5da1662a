import type { Draft } from '../faults/draft.ts';

/** What a run of a scenario has to show, beside what every run has to. */
export interface Promises {
  /** No two holders at once. */
  readonly exclusion: boolean;
  /** Tokens unique, and growing in real time. */
  readonly tokens: boolean;
  /** A majority is never out: every attempt gets an answer. */
  readonly availability: boolean;
  /** However often a majority is out, every call that is ready to wait for 2 s is answered with a lock. */
  readonly patience: boolean;
}

export interface Scenario {
  readonly text: string;
  readonly promises: Promises;
  /** How long one run takes unless it is told otherwise. */
  readonly durationMs: number;
  readonly draw: (draft: Draft) => void;
  /** Whether callers hold their locks so briefly that 2 s are enough for all who wait. Default: some hold on for long. */
  readonly isBrief?: boolean;
}

/** Nothing happens that an assumption rules out. */
export const INSIDE: Promises = { exclusion: true, tokens: true, availability: true, patience: false };
/** A majority is out for a while. */
export const OUTAGE: Promises = { ...INSIDE, availability: false };
/** A majority is out again and again, and never for long. */
export const STALLS: Promises = { ...OUTAGE, patience: true };
/** Something happens that the assumptions rule out; tokens hold all the same. */
export const BEYOND: Promises = { exclusion: false, tokens: true, availability: false, patience: false };
