import { type Lock, LockReleasedError, type ReleaseReport } from '../../../../src/index.ts';
import type { Simulation } from '../../../../src/testing/simulation.ts';
import type { Program } from './program.ts';
import { CONNECT_TIMEOUT, NODE_TIMEOUT, type Terms, TTL } from './terms.ts';

/** A caller's handle. */
export interface Entry {
  readonly program: Program;
  readonly who: string;
  readonly lock: Lock;
  readonly token: number;
  readonly isPermit: boolean;
  readonly askedAt: number;
  readonly grantedAt: number;
  /** When its caller gave it back. */
  releasedAt: number | undefined;
}

/** A call that may take its waitTime and, beyond that, a few attempts and what nodes that may come back have. */
const SLACK_MS = 8 * NODE_TIMEOUT + 2 * CONNECT_TIMEOUT + 40;

/** No caller asks for more while it has a lock. */
const LONGEST_MS = 2 * TTL;

/** What callers of one run got, and what of it they must not have got. */
export class Ledger {
  readonly faults: string[] = [];
  readonly #simulation: Simulation;
  readonly #terms: Terms;
  readonly #stop: () => void;
  readonly #entries: Entry[] = [];
  #held: Entry[] = [];
  /** The highest token of an exclusive lock, by resource. */
  readonly #highest = new Map<string, Entry>();
  readonly #handOvers: Entry[] = [];
  /** Calls that have not settled. */
  readonly calls = new Map<string, Program>();

  /** @param stop ends the run */
  constructor(simulation: Simulation, terms: Terms, stop: () => void) {
    this.#stop = stop;
    this.#simulation = simulation;
    this.#terms = terms;
  }

  get locks(): number {
    return this.#entries.length;
  }

  get handOvers(): number {
    return this.#handOvers.length;
  }

  /** What is wrong. Nothing that comes after the first one says more. */
  fault(what: string): void {
    if (this.faults.length === 0) this.#stop();
    this.faults.push(`at ${this.#simulation.nowMs.toFixed(3)}: ${what}`);
  }

  /** Sees to it that a call settles in time. */
  async timed<Result>(
    {
      program,
      who,
      waitTime,
    }: { readonly program: Program; readonly who: string; readonly waitTime: number },
    call: () => Promise<Result>,
  ): Promise<Result> {
    const { halts } = program;
    const askedAt = this.#simulation.nowMs;
    this.calls.set(who, program);
    try {
      return await call();
    } finally {
      this.calls.delete(who);
      const tookMs = this.#simulation.nowMs - askedAt;
      if (tookMs > waitTime + SLACK_MS && program.halts === halts) {
        this.fault(`${who} waited for ${tookMs} ms with a waitTime of ${waitTime} ms`);
      }
    }
  }

  /** A caller has a lock. Nothing has happened since the library gave it. */
  granted(entry: Omit<Entry, 'grantedAt' | 'releasedAt' | 'token'>): Entry {
    const { lock, who } = entry;
    const token = this.#terms.fencing ? lock.token : 0;
    const granted: Entry = { ...entry, token, grantedAt: this.#simulation.nowMs, releasedAt: undefined };
    if (lock.remainingValidity() <= 0 && !entry.program.isClosed)
      this.fault(`${who} got a lock that is over`);
    this.#held = this.#held.filter((other) => other.lock.remainingValidity() > 0);
    const beside = this.#held.filter((other) => excludes(other, granted));
    const mayBe = granted.isPermit ? Math.max(...this.#terms.permits) - 1 : 0;
    const areWrong =
      this.#terms.weather === 'beyond' ? beside.some(isOfLease(granted)) : beside.length > mayBe;
    if (areWrong) {
      this.fault(`${who} got ${nameOf(granted)} beside ${beside.map(nameOf).join(', ')}`);
    }
    if (!granted.isPermit && this.#terms.fencing) this.#checkOrder(granted);
    this.#held.push(granted);
    this.#entries.push(granted);
    return granted;
  }

  /** A handle that its caller has given back is over at once, and stays so. */
  released(entry: Entry, report: Promise<ReleaseReport>): void {
    const { lock, who } = entry;
    entry.releasedAt ??= this.#simulation.nowMs;
    if (lock.remainingValidity() !== 0 || !lock.signal.aborted)
      this.fault(`${who} has released, and holds on`);
    if (lock.release() !== report) this.fault(`${who} has two reports of one release`);
    void report.then(({ freed, handedOver }) => {
      if (handedOver) this.#handOvers.push(entry);
      else if (freed && !entry.isPermit && !lock.isShared) this.#checkFreed(entry);
    });
  }

  /** Looks at a handle that its caller has not given back: nothing else may have ended it but close(). */
  checkHeld({ lock, who, program, releasedAt }: Entry): void {
    if (lock.remainingValidity() > LONGEST_MS)
      this.fault(`a caller that has released extended the lock of ${who}`);
    if (releasedAt !== undefined || program.isClosed || !lock.signal.aborted) return;
    if (lock.signal.reason instanceof LockReleasedError)
      this.fault(`another caller released the lock of ${who}`);
  }

  /** What can only be said when all is over. */
  conclude(): void {
    for (const [who, { machine }] of this.calls) {
      if (machine.state !== 'dead') this.fault(`${who} waits for ever`);
    }
    for (const entry of this.#entries) this.checkHeld(entry);
    for (const entry of this.#handOvers) this.#checkHandOver(entry);
    if (!this.#terms.fencing || this.#terms.isForgetful) return;
    this.#checkUnique();
    if (this.#terms.weather === 'beyond') this.#checkLeases();
  }

  /** Inside the assumptions tokens grow from grant to grant. */
  #checkOrder(entry: Entry): void {
    const { lock, who, token } = entry;
    for (const resource of lock.resources) {
      const before = this.#highest.get(resource);
      if (this.#terms.weather !== 'beyond' && before !== undefined && token <= before.token) {
        this.fault(`${who} got ${nameOf(entry)} after ${nameOf(before)} for ${resource}`);
      }
      if (!lock.isShared && token > (before?.token ?? 0)) this.#highest.set(resource, entry);
    }
  }

  #checkFreed({ lock, who }: Entry): void {
    const { nodes } = this.#simulation;
    const key = `lock:${lock.resources[0]}`;
    const left = nodes.filter(({ store }) => store.get(key) === lock.value);
    if (left.length > (nodes.length - 1) / 2) this.fault(`${who} was told that it is free, and it is not`);
  }

  /** Whether the next caller of that process got it. */
  #checkHandOver(entry: Entry): void {
    const { program, who } = entry;
    // A caller of a closed program may have been told so, and not that it has the lock.
    if (program.isClosed || program.machine.state === 'dead') return;
    const next = this.#entries.find(
      (other) => isOfLease(entry)(other) && other.grantedAt >= (entry.releasedAt ?? 0) && other !== entry,
    );
    if (next === undefined) this.fault(`${who} was told of a hand-over that was none`);
    else if (next.program !== program) this.fault(`${who} handed over to another process`);
  }

  #checkUnique(): void {
    const owners = new Map<string, Entry>();
    for (const entry of this.#entries) {
      if (entry.isPermit) continue;
      for (const resource of entry.lock.resources) {
        const name = `${resource} ${entry.token}`;
        const other = owners.get(name);
        if (other !== undefined && !(other.lock.isShared && entry.lock.isShared)) {
          this.fault(`${entry.who} and ${other.who} both got ${nameOf(entry)} for ${resource}`);
        }
        owners.set(name, entry);
      }
    }
  }

  /** Without any clock: a lease that is asked for after another one was granted has higher tokens, all of them. */
  #checkLeases(): void {
    for (const later of this.#entries) {
      for (const earlier of this.#entries) {
        if (isOfLease(later)(earlier) || !excludes(later, earlier) || later.isPermit) continue;
        const lease = this.#entries.filter(isOfLease(earlier));
        const since = Math.min(...lease.map(({ grantedAt }) => grantedAt));
        if (later.askedAt <= since || later.token > earlier.token) continue;
        this.fault(
          `${later.who}, who asked at ${later.askedAt}, got ${nameOf(later)} after ${nameOf(earlier)}`,
        );
      }
    }
  }
}

function isOfLease({ lock }: Entry): (other: Entry) => boolean {
  return (other) => other.lock.value === lock.value;
}

function excludes(one: Entry, other: Entry): boolean {
  if (one.lock.isShared && other.lock.isShared) return false;
  return one.lock.resources.some((resource) => other.lock.resources.includes(resource));
}

function nameOf({ who, token, grantedAt, lock }: Entry): string {
  return `token ${token} of ${who} (${lock.value}, since ${grantedAt.toFixed(3)})`;
}
