import { InitializeError, type Lock, QuorlockError, type Redlock } from '../../../src/index.ts';
import { quarantineMs } from '../../../src/membership/quarantine.ts';
import { slotKeyOf } from '../../../src/quorum/fencing-token.ts';
import type { Machine } from '../../../src/testing/machine.ts';
import { Rng } from '../../../src/testing/rng.ts';
import { Simulation } from '../../../src/testing/simulation.ts';
import { Caller, type Site } from '../caller.ts';
import type { Incident } from '../checks.ts';
import { flawed } from '../defects.ts';
import { type Attempt, type Notes, Recording, type WorkerHistory, type Write } from '../record.ts';
import { Amnesia } from './amnesia.ts';
import { wallClockOf, weaken } from './breaking.ts';
import { Faults, type Stage } from './faults.ts';
import { Handles } from './handles.ts';
import { habitsOf, LONGEST_RUN_MS, type Mix } from './mix.ts';
import { habitsOfTurns, type Turns } from './turns.ts';

/** Everything that a run left. */
export interface Findings {
  readonly mix: Mix;
  readonly attempts: readonly Attempt[];
  /** When each machine stood still, by its name. */
  readonly stalls: ReadonlyMap<string, WorkerHistory['stalls']>;
  readonly locks: number;
  /** What happened, as far as it is of interest for how memory was lost. */
  readonly incidents: readonly Incident[];
  /** How many nodes lost their memory, where the run is about that. */
  readonly losses: number;
  /** Callers that never came to an end. */
  readonly stuck: number;
  /** What callers saw of their locks that must not be, and what was left where nothing may be. */
  readonly untrue: readonly string[];
  /** Updates that a store with a guard has lost. */
  readonly lostUpdates: number;
  /** Keys of locks and of waiters that were still there when all had been given back or had expired. */
  readonly orphans: readonly string[];
  /** Timers of machines that were still pending after everything was closed. */
  readonly timers: number;
  /** The most keys that a node had at the end, and how many it may have. */
  readonly keys: { readonly most: number; readonly allowed: number };
  /** Programs that could not get a lock of their own when the faults were over. */
  readonly left: number;
  /** Warnings of what is as it should be. */
  readonly warnings: readonly string[];
}

/** Whatever is kept of a lock, but for its counter. */
const OF_LOCKS = /^(lock|quorlock:(queue|sharers|semaphore|slot:\d+)):/;

/** However much is contended for, a run ends after this number of calls for every lock that is wanted. */
const CALLS_PER_CYCLE = 4;

/** How much longer than a quarantine it may take until locks are granted again: to see a loss, and to try. */
const RECOVERY_MARGIN_MS = 1_500;

/** Where messages may get lost, and a loss may not have been noticed yet: more than one quarantine, and this. */
const LOSSY_QUARANTINES = 3;
const LOSSY_MARGIN_MS = 1_900;

/** Pause between two tries to get a lock after the last fault. */
const RECOVERY_POLL_MS = 100;

/** Callers that take turns come to an end within this time; nothing is left when subscriptions that no caller needs end. */
const SETTLING_MS = 60_000;
const IDLE_MS = 12_000;
/** Timers of callers themselves are over by then. */
const BRIEFLY_MS = 100;
const CONNECT_TIMEOUT_MS = 50;

/** Within this time a Redlock closes, whatever its nodes do. */
const CLOSING_MS = 5_000;

/** A machine with the one program that runs on it, and what its callers noted down. */
interface Program {
  readonly machine: Machine;
  readonly redlock: Redlock;
  readonly recording: Recording;
  readonly handles: Handles;
  /** Callers that have not come to an end. */
  readonly busy: Set<Caller>;
  isClosed: boolean;
}

/** @param trace hears what happens, a line each */
export function run(mix: Mix, trace?: (line: string) => void): Promise<Findings> {
  return new Run(mix, trace).toTheEnd();
}

class Run {
  readonly #mix: Mix;
  readonly #dice: Rng;
  readonly #simulation: Simulation;
  readonly #programs: Program[] = [];
  readonly #machines: Machine[] = [];
  readonly #incidents: Incident[] = [];
  readonly #crashed: unknown[] = [];
  readonly #store = new GuardedStore();
  readonly #amnesia: Amnesia | undefined;
  readonly #stage: Stage;
  #faults: Faults | undefined;
  #locks = 0;
  #calls = 0;
  #losses = 0;

  constructor(mix: Mix, trace: ((line: string) => void) | undefined) {
    this.#mix = mix;
    this.#dice = Rng.ofSeed(mix.seed ^ 0x5eed);
    const dice = this.#dice;
    const { latency, loss, doubling, overtaking } = mix;
    this.#simulation = new Simulation({
      nodes: mix.nodes,
      seed: dice.integer(0, 2 ** 32 - 1),
      network: {
        latency,
        loss,
        doubling,
        overtaking,
        doublingDelay: { least: 0, most: mix.nodeTimeout },
        reconnectDelay: mix.turns === undefined ? dice.between(1, 50) : 5,
      },
      ...(trace === undefined ? {} : { trace }),
    });
    for (const node of this.#simulation.nodes) {
      node.wall.step(dice.between(0, mix.apart));
      node.wall.rate = 1 + mix.rateError * (mix.broken === 'drift' ? 1 : dice.between(-1, 1));
    }
    this.#stage = {
      simulation: this.#simulation,
      mix,
      machines: this.#machines,
      launch: () => this.#start(this.#make()),
      close: (machine) => this.#close(machine),
      halts: (machine, forMs) => {
        const { nowMs } = this.#simulation;
        const { recording } = this.#programs.find((each) => each.machine === machine) ?? {};
        recording?.worker.stalls.push({ from: nowMs, to: nowMs + forMs });
      },
      restartLater: (node) => this.#faults?.restartAfter(dice.between(1, 2_000), node),
      lost: () => {
        this.#losses += 1;
      },
      note: (what, who) => {
        this.#simulation.note(what, who);
        if (mix.losses !== undefined)
          this.#incidents.push({ from: this.#simulation.nowMs, what: `${who} ${what}` });
      },
    };
    this.#amnesia = mix.losses === undefined ? undefined : new Amnesia(this.#stage, mix.losses, dice.fork());
  }

  async toTheEnd(): Promise<Findings> {
    const mix = this.#mix;
    const simulation = this.#simulation;
    const apartAtStartMs = this.#apartMs;
    const first = this.#make();
    if (mix.losses === undefined) this.#start(first);
    if (mix.quarantine !== 'auto') await simulation.until(initialize(first.redlock), LONGEST_RUN_MS);
    if (mix.losses !== undefined) this.#start(first);
    while (this.#machines.length < mix.machines) this.#stage.launch();
    this.#faults = new Faults(this.#stage, this.#dice.fork());
    const untilVotingMs = quarantineMs(mix.maxTtl, mix.driftFactor);
    void this.#amnesia?.start(untilVotingMs);
    while (!this.#isOver()) await simulation.advance(mix.turns === undefined ? mix.maxTtl : BRIEFLY_MS / 10);
    this.#amnesia?.stop();
    this.#faults.stop();
    this.#stage.note('the last fault is over', 'run');

    const alive = this.#programs.filter(({ machine, isClosed }) => machine.state === 'running' && !isClosed);
    const calmForMs =
      mix.losses === undefined
        ? LOSSY_QUARANTINES * (untilVotingMs + LOSSY_MARGIN_MS)
        : untilVotingMs + RECOVERY_MARGIN_MS;
    const untrue: string[] = [];
    if (mix.turns !== undefined) untrue.push(...(await this.#settle(alive, mix.turns)));
    const recoveries =
      mix.turns === undefined
        ? alive.map((program) => recovers(program, simulation.nowMs + calmForMs, mix.maxTtl))
        : [];
    const left = (await simulation.until(Promise.all(recoveries), LONGEST_RUN_MS)).filter((is) => !is).length;
    await simulation.until(Promise.all(alive.map(({ redlock }) => redlock.close())), CLOSING_MS);
    // Whatever dead programs left expires; where callers take turns, it has.
    if (mix.turns === undefined) await simulation.advance(mix.maxTtl * 4);
    else untrue.push(...this.#leftovers('when all is closed'), ...this.#untrueHandOvers());
    if (this.#crashed.length > 0) throw this.#crashed[0];

    const keysOf = simulation.nodes.map(({ store }) => store.keys());
    return {
      mix,
      attempts: this.#programs.flatMap(({ recording }) => recording.attempts),
      stalls: new Map(this.#programs.map(({ recording: { worker } }) => [worker.worker, worker.stalls])),
      locks: this.#locks,
      incidents: this.#incidents,
      losses: this.#losses,
      stuck: alive.reduce((sum, { busy }) => sum + busy.size, 0),
      untrue: [...untrue, ...this.#programs.flatMap(({ handles: { faults } }) => faults)],
      lostUpdates: this.#store.lost,
      orphans:
        mix.turns === undefined ? keysOf.flatMap((keys) => keys.filter((key) => OF_LOCKS.test(key))) : [],
      timers: alive.reduce((sum, { machine }) => sum + machine.clock.pendingTimers, 0),
      keys: {
        most: Math.max(...keysOf.map(({ length }) => length)),
        // Of every resource its counters, of every program that of its own lock, and the marker.
        allowed:
          mix.turns !== undefined
            ? Number.POSITIVE_INFINITY
            : mix.resources * countersOf(mix) + this.#machines.length + 1,
      },
      left,
      warnings: mix.losses === undefined ? [] : this.#untrueWarnings(Math.max(apartAtStartMs, this.#apartMs)),
    };
  }

  /** Every caller comes to an end. Then, once everything has had its time, nothing is left; where nothing went wrong, at once. */
  async #settle(programs: readonly Program[], turns: Turns): Promise<readonly string[]> {
    const simulation = this.#simulation;
    const untilMs = simulation.nowMs + SETTLING_MS;
    const areBusy = () => programs.some(({ busy }) => busy.size > 0);
    while (areBusy() && simulation.nowMs < untilMs) await simulation.advance(BRIEFLY_MS);
    if (areBusy()) return ['callers go on for ever'];
    for (const { handles } of programs) handles.conclude();
    const setBackMs = this.#faults?.setBackMs ?? 0;
    if (turns.isClosedAtOnce && turns.weather === 'quiet' && setBackMs === 0) {
      await simulation.advance(BRIEFLY_MS);
      return [];
    }
    await simulation.advance(2 * this.#mix.maxTtl + setBackMs + IDLE_MS);
    const subscribed = simulation.nodes.filter(({ subscriptions }) => subscriptions > 0);
    return [
      ...this.#leftovers('when no caller wants anything'),
      ...subscribed.map(({ address }) => `${address} has subscriptions that no caller needs`),
    ];
  }

  /** Of locks. How many permits there are is kept for longer. */
  #leftovers(when: string): readonly string[] {
    return this.#simulation.nodes.flatMap(({ address, store }) =>
      store
        .keys()
        .filter((key) => OF_LOCKS.test(key) && !key.startsWith('quorlock:semaphore:'))
        .map((key) => `${address} has ${key} ${when}`),
    );
  }

  /** Whether the next caller of a process got what was handed over. One of a closed program may not have heard that it did. */
  #untrueHandOvers(): readonly string[] {
    const attempts = this.#programs.flatMap(({ recording }) => recording.attempts);
    const alive = this.#programs.filter(({ machine, isClosed }) => machine.state !== 'dead' && !isClosed);
    return alive.flatMap(({ recording }) =>
      recording.attempts
        .filter(({ grant }) => grant?.ended?.how === 'handed over')
        .flatMap(({ caller, worker, grant }) => {
          const next = attempts.find(
            (other) =>
              other.grant !== grant &&
              other.grant?.lease === grant?.lease &&
              (other.grant?.at ?? 0) >= (grant?.ended?.at ?? 0),
          );
          if (next === undefined) return `${caller} was told of a hand-over that was none`;
          return next.worker === worker ? [] : `${caller} handed over to another process`;
        }),
    );
  }

  #isOver(): boolean {
    const { cycles, durationMs } = this.#mix;
    return (
      this.#locks >= cycles || this.#calls >= CALLS_PER_CYCLE * cycles || this.#simulation.nowMs > durationMs
    );
  }

  #make(): Program {
    const mix = this.#mix;
    const { broken } = mix;
    // Where clients are not to be warned of clocks, the nodes' errors alone come up to the allowance.
    const isRight = broken === 'drift' || mix.losses !== undefined;
    const machine = this.#simulation.machine({
      clocks: { rate: 1 + (isRight ? 0 : mix.rateError * this.#dice.between(-1, 1)) },
    });
    if (!mix.isRuleKept) weaken(machine, broken);
    this.#amnesia?.pester(machine);
    const whole = machine.redlock({
      ttl: mix.ttl,
      maxTtl: mix.maxTtl,
      driftFactor: mix.driftFactor,
      quarantine: mix.quarantine,
      ...(mix.losses === undefined ? { nodeTimeout: mix.nodeTimeout } : {}),
      ...(broken === 'wall' ? { clock: wallClockOf(machine) } : {}),
      ...(mix.turns === undefined
        ? {}
        : { fencing: mix.turns.fencing, connectTimeout: CONNECT_TIMEOUT_MS, closeTimeout: 500 }),
    });
    const redlock = flawed(whole, mix.defects, {
      after: (ms, happen) => machine.clock.after(ms, happen),
      keep: (key) => machine.nodes[0]?.store.set(key, machine.name),
    });
    const program: Program = {
      machine,
      redlock,
      recording: new Recording(machine.name),
      handles: new Handles(
        machine,
        () => program.isClosed,
        mix.turns === undefined ? undefined : this.#dice.fork(),
      ),
      busy: new Set<Caller>(),
      isClosed: false,
    };
    this.#machines.push(machine);
    this.#programs.push(program);
    return program;
  }

  #start({ machine, redlock, recording, handles, busy }: Program): void {
    const mix = this.#mix;
    const { rate } = machine.clock;
    const site: Site = {
      isOver: () => this.#isOver(),
      now: () => this.#simulation.nowMs,
      sleep: (ms) => machine.sleep(ms),
      note: (event) => {
        if (event.kind === 'asked') this.#calls += 1;
        if (event.kind === 'granted') this.#locks += 1;
        recording.note(event.kind === 'asked' ? { ...event, waitTime: event.waitTime / rate } : event);
      },
      // In true time: the holder's clocks may run wrong.
      remainingMs: (lock) => lock.remainingValidity() / rate,
      slotOf: (lock) => slotOf(lock, machine, mix.permits),
      isUnfenced: mix.turns?.fencing === false,
      handles,
      timeout: (ms) => {
        const leaving = new AbortController();
        if (ms < Number.POSITIVE_INFINITY) void machine.sleep(ms).then(() => leaving.abort());
        return leaving.signal;
      },
      ...(mix.turns === undefined
        ? {}
        : {
            work: async (notes, lock) => {
              handles.inUse(lock);
              notes.act();
            },
          }),
      ...(mix.counts
        ? { work: (notes, lock, dice) => this.#countUp(notes, lock, machine.sleep(dice.between(0, 2))) }
        : {}),
    };
    const habits = mix.turns === undefined ? habitsOf(mix) : habitsOfTurns(mix, mix.turns);
    for (let index = 1; index <= mix.callers; index += 1) {
      const name = `${machine.name}, caller ${index}`;
      const caller = new Caller(name, this.#dice.fork(), () => ({ redlock }), habits, site);
      busy.add(caller);
      caller.run().then(
        () => busy.delete(caller),
        (error: unknown) => this.#crashed.push(error),
      );
    }
  }

  /** Reads, thinks, checks that the lock is held, and writes. */
  async #countUp(notes: Notes, lock: Lock, thinking: Promise<void>): Promise<void> {
    // Readers and holders of permits are not alone.
    const isAlone = !lock.isShared && ['exclusive', 'shared'].includes(this.#mix.discipline);
    const resources = isAlone ? lock.resources : [];
    const read = resources.map((resource) => [resource, this.#store.read(resource, lock.token)] as const);
    await thinking;
    notes.act();
    for (const [resource, value] of read) {
      notes.wrote(this.#store.write(resource, lock.token, value), 'none');
    }
  }

  /** Its locks are given back. */
  #close(machine: Machine): void {
    const program = this.#programs.find((each) => each.machine === machine);
    if (program === undefined || program.isClosed) return;
    program.isClosed = true;
    this.#machines.splice(this.#machines.indexOf(machine), 1);
    for (const { grant } of program.recording.attempts) {
      if (grant !== undefined) grant.validUntil = Math.min(grant.validUntil, this.#simulation.nowMs);
    }
    void program.redlock.close();
  }

  /** How far the nodes' clocks are apart. */
  get #apartMs(): number {
    const walls = this.#simulation.nodes.map(({ wall }) => wall.read());
    return Math.max(...walls) - Math.min(...walls);
  }

  #untrueWarnings(apartMs: number): readonly string[] {
    const { maxTtl, shortest, latency, faults } = this.#mix;
    const areFar =
      faults.includes('slow link') || ('most' in latency && 32 * latency.most > shortest * maxTtl);
    return this.#programs.flatMap(({ machine: { name, warnings } }) =>
      warnings
        .filter(
          ({ code, message }) =>
            !(code === 'QUORLOCK_CLOCKS_APART' && apartMs > maxTtl) &&
            // Nodes fail and hang here. Only that one is too far away may be untrue.
            !(code.startsWith('QUORLOCK_NODE_') && (areFar || !message.includes('come too late'))),
        )
        .map(({ code, message }) => `${name} warned: ${code}: ${message}`),
    );
  }
}

/** Numbers that are counted up, with a guard that refuses a token lower than one that it has seen. */
class GuardedStore {
  readonly #highest = new Map<string, number>();
  readonly #values = new Map<string, number>();
  #writes = 0;

  /** Undefined if the guard refuses. */
  read(resource: string, token: number): number | undefined {
    if (token < (this.#highest.get(resource) ?? 0)) return undefined;
    this.#highest.set(resource, token);
    return this.#values.get(resource) ?? 0;
  }

  write(resource: string, token: number, read: number | undefined): Write {
    if (read === undefined) return 'none';
    if (this.read(resource, token) === undefined) return 'refused';
    this.#values.set(resource, read + 1);
    this.#writes += 1;
    return 'done';
  }

  get lost(): number {
    return this.#writes - [...this.#values.values()].reduce((sum, value) => sum + value, 0);
  }
}

/** How many counters one resource has: a semaphore one for each slot. */
function countersOf({ discipline, permits }: Mix): number {
  if (discipline === 'sets') return permits + 1;
  return discipline === 'permits' ? permits : 1;
}

/** The slot that a permit is, as any node has it; undefined if none has. */
function slotOf(
  { value, resources: [resource = ''] }: Lock,
  machine: Machine,
  permits: number,
): number | undefined {
  for (let slot = 0; slot < permits; slot += 1) {
    const key = slotKeyOf(`lock:${resource}`, slot);
    if (machine.nodes.some(({ store }) => store.get(key) === value)) return slot;
  }
  return undefined;
}

/** Messages may get lost. */
async function initialize(redlock: Redlock): Promise<void> {
  for (;;) {
    try {
      await redlock.initialize();
      return;
    } catch (error) {
      if (!(error instanceof InitializeError)) throw error;
    }
  }
}

/**
 * Whether a program gets a lock of its own by a moment. The first try may only show that nodes have forgotten. What refuses
 * a try is left by an earlier one, of which a command was doubled: that ends with its ttl.
 */
async function recovers({ machine, redlock }: Program, untilMs: number, maxTtl: number): Promise<boolean> {
  const { timeline } = machine.clock;
  for (;;) {
    let pauseMs = RECOVERY_POLL_MS;
    try {
      if ((await redlock.tryAcquire(`of ${machine.name} alone`)) !== null) return true;
      pauseMs = maxTtl;
    } catch (error) {
      if (!(error instanceof QuorlockError)) throw error;
    }
    if (timeline.nowMs >= untilMs) return false;
    await machine.sleep(pauseMs);
  }
}
