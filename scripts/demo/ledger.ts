import type { Interval } from '../../src/testing/checkers/overlaps.ts';
import type { WorkerEvent } from './events.ts';

/** One caller's time under the lock: from the grant to its last write. */
export interface Section extends Interval {
  readonly requestedAt: number;
}

/** Everything that the workers did, put together from their journals. */
export interface Ledger {
  readonly sections: readonly Section[];
  /** Writes; each was one more than what had been read under the same lock. */
  readonly increments: number;
  readonly extensions: number;
  /** Sections that had to stop because the lock was lost. */
  readonly lost: number;
  /** How often a caller did not get the lock, for each error code. */
  readonly refusals: ReadonlyMap<string, number>;
}

export function ledgerOf(journals: readonly (readonly WorkerEvent[])[]): Ledger {
  const sections = new Map<string, Section>();
  const refusals = new Map<string, number>();
  let increments = 0;
  let extensions = 0;
  let lost = 0;
  for (const event of journals.flat()) {
    switch (event.kind) {
      case 'granted': {
        const { section: holder, requestedAtMs: requestedAt, atMs: at, token } = event;
        sections.set(holder, { holder, requestedAt, from: at, to: at, token });
        break;
      }
      case 'wrote': {
        increments += 1;
        const section = sections.get(event.section);
        if (section === undefined) throw new Error(`${event.section} wrote before it was granted the lock`);
        sections.set(event.section, { ...section, to: event.atMs });
        break;
      }
      case 'extended':
        extensions += 1;
        break;
      case 'ended':
        if (event.lostBecause !== undefined) lost += 1;
        break;
      case 'refused':
        refusals.set(event.code, (refusals.get(event.code) ?? 0) + 1);
        break;
    }
  }
  return { sections: [...sections.values()], increments, extensions, lost, refusals };
}
