import type { FleetNode } from '../fleet/fleet.ts';
import type { Tally } from './tally.ts';

/** What there is to see. */
export interface View {
  readonly seconds: number;
  readonly locking: boolean;
  readonly nodes: readonly FleetNode[];
  readonly tally: Tally;
}

/** Shows a run, from now until it is stopped. */
export interface Screen {
  /** A fault began or ended. */
  note(what: string): void;
  stop(): void;
}
