import type { WorkerEvent } from './events.ts';

/** What the display shows of the run, from what the workers tell. The verdict does not come from here. */
export class Tally {
  #acquisitions = 0;
  /** Sections under way, the newest last. */
  readonly #open = new Map<string, number>();

  note(event: WorkerEvent): void {
    if (event.kind === 'granted') {
      this.#acquisitions += 1;
      this.#open.set(event.section, event.atMs);
    } else if (event.kind === 'ended') {
      this.#open.delete(event.section);
    }
  }

  get acquisitions(): number {
    return this.#acquisitions;
  }

  /** Who is in a critical section. Messages of two workers may cross, so that two may show for a moment. */
  get holders(): readonly { readonly section: string; readonly sinceMs: number }[] {
    return [...this.#open].map(([section, sinceMs]) => ({ section, sinceMs }));
  }
}
