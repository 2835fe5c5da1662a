import { closeSync, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Lock, ReleaseReport } from '../../src/index.ts';

/** How a caller came to ask for a lock. A `probe` asks once for a resource that no other caller wants. */
type Way = 'try' | 'wait' | 'using' | 'probe';

/** How it is held: with no other holder, with other readers, or as one of several permits. */
export type Use = 'alone' | 'read' | 'permit';

/** `refused`: the store knew a higher token. `none`: it was not tried, or its end is not known. */
export type Write = 'done' | 'refused' | 'none';

/** What a process has in use. */
export interface Vitals {
  /** After a garbage collection. */
  readonly heapBytes: number;
  readonly sockets: number;
  readonly timers: number;
}

/** What a caller asks for. */
export interface Asked {
  readonly caller: string;
  readonly resources: readonly string[];
  readonly way: Way;
  readonly use: Use;
  /** How long it is ready to wait for other holders. */
  readonly waitTime: number;
}

/** What a worker notes down. `at` is milliseconds on a clock that all callers share; `id` names one attempt. */
export type WorkerEvent = { readonly at: number } & (
  | ({ readonly kind: 'asked'; readonly id: number } & Asked)
  /** The attempt ended without a lock: an error's code, QUORLOCK_HELD where another holder has it, or `aborted`. */
  | { readonly kind: 'refused'; readonly id: number; readonly code: string; readonly why?: string }
  /** `lease`: the lock value. Locks that were handed over inside of a process have the same. */
  | {
      readonly kind: 'granted';
      readonly id: number;
      readonly token: number;
      readonly lease: string;
      readonly validUntil: number;
      /** Which one of a semaphore it is, where that can be told. */
      readonly slot?: number | undefined;
    }
  /** A check that the lock is held went through. `at` was taken before it. */
  | { readonly kind: 'acted'; readonly id: number; readonly validUntil: number }
  | { readonly kind: 'extended'; readonly id: number; readonly askedAt: number; readonly validUntil: number }
  | { readonly kind: 'not extended'; readonly id: number; readonly code: string }
  /** What became of the two ways of writing on from what was read. */
  | { readonly kind: 'wrote'; readonly id: number; readonly guarded: Write; readonly unguarded: Write }
  | { readonly kind: 'lost'; readonly id: number; readonly code: string }
  /** The holder needs the lock no more, and gives it back next. */
  | { readonly kind: 'done'; readonly id: number }
  /** `freed`: a majority confirmed it. `handedOver`: to the next caller of the process. */
  | ({ readonly kind: 'released'; readonly id: number } & Pick<ReleaseReport, 'freed' | 'handedOver'>)
  | { readonly kind: 'warned'; readonly code: string }
  /** The process did not come to run for so long, up to `at`. */
  | { readonly kind: 'stalled'; readonly forMs: number }
  | { readonly kind: 'vitals'; readonly vitals: Vitals }
  /** It has closed everything; what is left over then. */
  | { readonly kind: 'closed'; readonly left: readonly string[] }
);

export interface Grant {
  readonly token: number;
  readonly lease: string;
  readonly slot: number | undefined;
  readonly at: number;
  /**
   * The first and last moment after which a check that the lock is held went through. Taken before the check, for the
   * process may be stopped right after it, and no lock can help that. Undefined if no check ever went through.
   */
  acted: { readonly first: number; readonly last: number } | undefined;
  /** Until when the lock was valid by what it said itself, or until its release. */
  validUntil: number;
  /**
   * When the holder was done: `given back`, `handed over`, `not freed` by a majority, or an error's code; undefined if
   * it never noted that.
   */
  ended: { readonly at: number; readonly how: string } | undefined;
  /** When extensions that came through had been asked for. */
  readonly extensions: number[];
  readonly writes: { readonly at: number; readonly guarded: Write; readonly unguarded: Write }[];
}

/** Everything that is known of one attempt to get a lock, and of the lock. */
export interface Attempt extends Asked {
  /** The process: its place among the workers, and its number. */
  readonly worker: string;
  readonly askedAt: number;
  /** When it was granted or refused; undefined if neither was ever noted. */
  settledAt: number | undefined;
  /** Why it was refused. */
  refusal: string | undefined;
  /** The same in all its words. */
  why: string | undefined;
  grant: Grant | undefined;
}

/** One worker process, from its first event to its last. */
export interface WorkerHistory {
  readonly worker: string;
  readonly vitals: { readonly at: number; readonly vitals: Vitals }[];
  readonly stalls: { readonly from: number; readonly to: number }[];
  /** What was left when it had closed everything; undefined if it never came to that. */
  left: readonly string[] | undefined;
  readonly warnings: Map<string, number>;
  lastAt: number;
}

/** All that the workers noted down, put together. */
export interface History {
  readonly attempts: readonly Attempt[];
  readonly workers: readonly WorkerHistory[];
}

/** What one process noted down. */
export class Recording {
  readonly worker: WorkerHistory;
  readonly #attempts = new Map<number, Attempt>();

  constructor(worker: string) {
    this.worker = {
      worker,
      vitals: [],
      stalls: [],
      left: undefined,
      warnings: new Map(),
      lastAt: Number.NEGATIVE_INFINITY,
    };
  }

  get attempts(): readonly Attempt[] {
    return [...this.#attempts.values()];
  }

  note(event: WorkerEvent): void {
    const { at } = event;
    const { warnings } = this.worker;
    this.worker.lastAt = at;
    if (event.kind === 'asked') {
      const { caller, resources, way, use, waitTime } = event;
      this.#attempts.set(event.id, {
        ...{ worker: this.worker.worker, caller, resources, way, use, waitTime, askedAt: at },
        ...{ settledAt: undefined, refusal: undefined, why: undefined, grant: undefined },
      });
    } else if (event.kind === 'vitals') this.worker.vitals.push({ at, vitals: event.vitals });
    else if (event.kind === 'stalled') this.worker.stalls.push({ from: at - event.forMs, to: at });
    else if (event.kind === 'warned') warnings.set(event.code, (warnings.get(event.code) ?? 0) + 1);
    else if (event.kind === 'closed') this.worker.left = event.left;
    else {
      const attempt = this.#attempts.get(event.id);
      if (attempt !== undefined) apply(attempt, event);
    }
  }
}

function apply(attempt: Attempt, event: Extract<WorkerEvent, { id: number }>): void {
  const { at } = event;
  const { grant } = attempt;
  if (event.kind === 'refused') {
    attempt.settledAt = at;
    attempt.refusal = event.code;
    attempt.why = event.why;
  } else if (event.kind === 'granted') {
    attempt.settledAt = at;
    const { token, lease, slot, validUntil } = event;
    const unused = { acted: undefined, ended: undefined, extensions: [], writes: [] };
    attempt.grant = { token, lease, slot, at, validUntil, ...unused };
  } else if (grant !== undefined) {
    if (event.kind === 'acted') grant.acted = { first: grant.acted?.first ?? at, last: at };
    if (event.kind === 'acted' || event.kind === 'extended')
      grant.validUntil = Math.max(grant.validUntil, event.validUntil);
    if (event.kind === 'extended') grant.extensions.push(event.askedAt);
    if (event.kind === 'wrote') grant.writes.push({ at, guarded: event.guarded, unguarded: event.unguarded });
    if (event.kind === 'lost') grant.ended = { at: grant.ended?.at ?? at, how: event.code };
    if (event.kind === 'done') {
      grant.validUntil = Math.min(grant.validUntil, at);
      grant.ended = { at, how: 'given back' };
    }
    if (event.kind === 'released' && grant.ended !== undefined && (event.handedOver || !event.freed))
      grant.ended = { ...grant.ended, how: event.handedOver ? 'handed over' : 'not freed' };
  }
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

/** Reads the logs of all workers, by name. A line that a kill cut short is left out. */
export async function readHistory(logs: ReadonlyMap<string, string>): Promise<History> {
  const recordings = await Promise.all(
    [...logs].map(async ([worker, path]) => {
      const recording = new Recording(worker);
      const file = await open(path, 'a+');
      for await (const line of file.readLines()) {
        const event = parse(line);
        if (event !== undefined) recording.note(event);
      }
      return recording;
    }),
  );
  return {
    attempts: recordings.flatMap(({ attempts }) => attempts).sort((a, b) => a.askedAt - b.askedAt),
    workers: recordings.map(({ worker }) => worker),
  };
}

function parse(line: string): WorkerEvent | undefined {
  try {
    return JSON.parse(line) as WorkerEvent;
  } catch {
    return undefined;
  }
}

/** What a caller needs to keep the record of its attempts. */
export interface Desk {
  note(event: WorkerEvent): void;
  /** Milliseconds on the clock that all callers share. */
  now(): number;
  /** How long a lock is valid by what it says now, in milliseconds of that clock. */
  remainingMs(lock: Lock): number;
  /** Locks have no tokens. */
  readonly isUnfenced?: boolean;
  /** Which permit of a semaphore a lock is, where that can be told. */
  slotOf?(lock: Lock): number | undefined;
}

/** Keeps the record of one attempt, from asking to the end of the lock. */
export class Notes {
  static #count = 0;
  readonly #id: number;
  readonly #desk: Desk;
  readonly #use: Use;
  #lock: Lock | undefined;

  constructor(desk: Desk, asked: Asked) {
    Notes.#count += 1;
    this.#id = Notes.#count;
    this.#desk = desk;
    this.#use = asked.use;
    desk.note({ at: desk.now(), kind: 'asked', id: this.#id, ...asked });
  }

  /** Whether there was a lock in it. */
  get wasGranted(): boolean {
    return this.#lock !== undefined;
  }

  refused(code: string, why?: string): void {
    const reason = why === undefined ? {} : { why };
    this.#desk.note({ at: this.#desk.now(), kind: 'refused', id: this.#id, code, ...reason });
  }

  granted(lock: Lock): void {
    const at = this.#desk.now();
    this.#lock = lock;
    const { value: lease } = lock;
    const token = this.#desk.isUnfenced === true ? 0 : lock.token;
    const validUntil = at + this.#desk.remainingMs(lock);
    const slot = this.#use === 'permit' ? this.#desk.slotOf?.(lock) : undefined;
    this.#desk.note({ at, kind: 'granted', id: this.#id, token, lease, validUntil, slot });
  }

  /** A check whether the lock is held: what depends on it comes right after. @throws {LockLostError} */
  act(): void {
    const at = this.#desk.now();
    this.#held.assertHeld();
    this.#desk.note({ at, kind: 'acted', id: this.#id, validUntil: at + this.#desk.remainingMs(this.#held) });
  }

  extended(askedAt: number): void {
    const at = this.#desk.now();
    const validUntil = at + this.#desk.remainingMs(this.#held);
    this.#desk.note({ at, kind: 'extended', id: this.#id, askedAt, validUntil });
  }

  notExtended(code: string): void {
    this.#desk.note({ at: this.#desk.now(), kind: 'not extended', id: this.#id, code });
  }

  wrote(guarded: Write, unguarded: Write): void {
    this.#desk.note({ at: this.#desk.now(), kind: 'wrote', id: this.#id, guarded, unguarded });
  }

  lost(code: string): void {
    this.#desk.note({ at: this.#desk.now(), kind: 'lost', id: this.#id, code });
  }

  /** To be noted before the release begins: from then on others may have the lock. */
  done(): void {
    this.#desk.note({ at: this.#desk.now(), kind: 'done', id: this.#id });
  }

  released({ freed, handedOver }: Pick<ReleaseReport, 'freed' | 'handedOver'>): void {
    this.#desk.note({ at: this.#desk.now(), kind: 'released', id: this.#id, freed, handedOver });
  }

  get #held(): Lock {
    if (this.#lock === undefined) throw new Error('there is no lock in this attempt');
    return this.#lock;
  }
}
