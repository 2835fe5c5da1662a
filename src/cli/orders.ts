import { SystemClock } from '../base/clock.ts';
import { platform } from '../base/platform.ts';

/** A moment by two clocks that all processes of this host have in common, in milliseconds. */
export interface Deadline {
  readonly host: number;
  readonly wall: number;
}

/** What `run` tells its watcher. */
export type Order =
  | {
      readonly kind: 'start';
      readonly file: string;
      readonly args: readonly string[];
      readonly environment: Readonly<Record<string, string>>;
      readonly killAfterMs: number;
      readonly until: Deadline;
    }
  /** The command must be gone by then. */
  | { readonly kind: 'until'; readonly until: Deadline }
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals }
  /** It is to end now: SIGTERM, and SIGKILL after the time for that. */
  | { readonly kind: 'stop' };

/** How a process ended. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What the watcher tells `run`. */
export type Report =
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'failed'; readonly message: string; readonly code: string | undefined }
  /** The command was told to end. */
  | { readonly kind: 'stopping' }
  /** It ended; where it was told to, so did all of its processes. `atMs`: milliseconds since the epoch. */
  | ({ readonly kind: 'gone'; readonly atMs: number } & End);

const clock = new SystemClock();

/** The moment that is `ms` from now. */
export function deadlineIn(ms: number): Deadline {
  return { host: platform.hostMs() + ms, wall: clock.wall() + ms };
}

/** Milliseconds until a deadline, by the clock that says the least. */
export function msUntil({ host, wall }: Deadline): number {
  return Math.min(host - platform.hostMs(), wall - clock.wall());
}
