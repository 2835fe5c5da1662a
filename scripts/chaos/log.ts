import { closeSync, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';

/** How a caller came to ask for a lock. A `probe` asks once for a resource that nobody else wants. */
export type Way = 'try' | 'wait' | 'using' | 'probe';

/** How it is had: with nobody else, with other readers, or as one of several permits. */
export type Use = 'alone' | 'read' | 'permit';

/** What a worker notes down. `at` is milliseconds on the clock of scripts/support/time.ts; `id` names one attempt. */
export type WorkerEvent = { readonly at: number } & (
  | {
      readonly kind: 'asked';
      readonly id: number;
      readonly caller: string;
      readonly resources: readonly string[];
      readonly way: Way;
      /** Default: alone. */
      readonly use?: Use;
      /** How long it is ready to wait for other holders. */
      readonly waitTime: number;
    }
  /** The attempt ended without a lock: an error's code, `null` for "somebody else has it", or `aborted`. */
  | { readonly kind: 'refused'; readonly id: number; readonly code: string; readonly why?: string }
  /** `lease`: the lock value. Locks that were handed over inside of a process have the same. */
  | {
      readonly kind: 'granted';
      readonly id: number;
      readonly token: number;
      readonly lease: string;
      readonly validUntil: number;
    }
  /** A check that the lock is held went through. `at` was taken before it. */
  | { readonly kind: 'acted'; readonly id: number; readonly validUntil: number }
  | { readonly kind: 'extended'; readonly id: number; readonly validUntil: number }
  | { readonly kind: 'not extended'; readonly id: number; readonly code: string }
  /** What became of the two ways of writing on from what was read. */
  | { readonly kind: 'wrote'; readonly id: number; readonly guarded: Write; readonly unguarded: Write }
  | { readonly kind: 'lost'; readonly id: number; readonly code: string }
  /** The holder needs the lock no more, and gives it back next. */
  | { readonly kind: 'done'; readonly id: number }
  /** `freed`: a majority confirmed it. */
  | { readonly kind: 'released'; readonly id: number; readonly freed: boolean }
  | { readonly kind: 'warned'; readonly code: string }
  /** The process did not come to run for so long, up to `at`. */
  | { readonly kind: 'stalled'; readonly forMs: number }
  | { readonly kind: 'vitals'; readonly vitals: Vitals }
  /** It has closed everything; what is left over then. */
  | { readonly kind: 'closed'; readonly left: readonly string[] }
);

/** `refused`: the store knew a higher token. `none`: it was not tried, or nobody can tell what came of it. */
export type Write = 'done' | 'refused' | 'none';

/** What a process has in use. */
export interface Vitals {
  /** After a garbage collection. */
  readonly heapBytes: number;
  readonly sockets: number;
  readonly timers: number;
}

/** A worker's own file of what happened, one event a line. */
export class LogFile implements Disposable {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  /** Synchronous, so that a worker that is killed leaves no event out. */
  note(event: WorkerEvent): void {
    writeSync(this.#file, `${JSON.stringify(event)}\n`);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/** The events of one worker in their order. A line that a kill cut short is left out. */
export async function* readLog(path: string): AsyncGenerator<WorkerEvent> {
  const file = await open(path, 'a+');
  for await (const line of file.readLines()) {
    const event = parse(line);
    if (event !== undefined) yield event;
  }
}

function parse(line: string): WorkerEvent | undefined {
  try {
    return JSON.parse(line) as WorkerEvent;
  } catch {
    return undefined;
  }
}
