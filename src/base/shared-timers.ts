import type { Clock, Timer } from './clock.ts';
import { afterElapsed } from './sound-clock.ts';

/** What is to take a step, at the same moment as the others of its group. */
export interface Planned {
  /** Set by {@link SharedTimers}. Undefined: it has no step before it. */
  group: Group | undefined;
  step(): void;
}

interface Group {
  readonly members: Set<Planned>;
  readonly atMs: number;
  readonly timer: Timer;
}

/** Timers for very many things, each of which has one step before it at the most. A timer is more than it needs. */
export class SharedTimers {
  readonly clock: Clock;
  readonly #groups = new Map<number, Group>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /**
   * Has `planned` take its step in `delayMs`, as {@link afterElapsed} does, and not when it was to before.
   *
   * @param earlyMs by how much it may be sooner, so that those with the same number have timers in common
   */
  plan(planned: Planned, delayMs: number, earlyMs = 0): void {
    this.drop(planned);
    const dueMs = this.clock.monotonic() + delayMs;
    const atMs = earlyMs > 0 ? Math.floor(dueMs / earlyMs) * earlyMs : dueMs;
    const group = this.#groups.get(atMs) ?? this.#newGroup(atMs, delayMs - (dueMs - atMs));
    group.members.add(planned);
    planned.group = group;
  }

  drop(planned: Planned): void {
    const { group } = planned;
    if (group === undefined) return;
    planned.group = undefined;
    group.members.delete(planned);
    if (group.members.size > 0) return;
    group.timer.cancel();
    if (this.#groups.get(group.atMs) === group) this.#groups.delete(group.atMs);
  }

  #newGroup(atMs: number, delayMs: number): Group {
    const members = new Set<Planned>();
    const timer = afterElapsed(this.clock, delayMs, () => {
      // After a leap it may still be before that moment, and a step may plan the next one for the same.
      this.#groups.delete(atMs);
      for (const planned of members) {
        this.drop(planned);
        planned.step();
      }
    });
    const group = { members, atMs, timer };
    this.#groups.set(atMs, group);
    return group;
  }
}
