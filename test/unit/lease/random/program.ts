import type { Redlock } from '../../../../src/index.ts';
import type { Machine } from '../../../../src/testing/machine.ts';

/** A program whose callers contend. */
export interface Program {
  readonly machine: Machine;
  readonly redlock: Redlock;
  /** How often it was paused, killed or closed. */
  halts: number;
  isClosed: boolean;
  /** Its callers. */
  readonly work: Promise<void>[];
}
