import { InitializeError, QuorlockError, type Redlock } from '../../src/index.ts';
import type { Machine } from '../../src/testing/machine.ts';
import { Rng } from '../../src/testing/rng.ts';
import { Simulation } from '../../src/testing/simulation.ts';
import { wallClockOf, weaken } from './breaking.ts';
import { contend, type Held, type LateCall, type Ledger } from './caller.ts';
import { Faults, type Stage } from './faults.ts';
import type { Mix } from './mix.ts';

/** Everything that a run left. */
export interface Findings {
  readonly mix: Mix;
  readonly locks: readonly Held[];
  readonly failures: ReadonlyMap<string, number>;
  /** Calls that were over long after their waitTime. */
  readonly late: readonly LateCall[];
  /** Calls that never ended. */
  readonly stuck: number;
  /** Keys of locks and of those who wait that were still there when all had been given back or had expired. */
  readonly orphans: readonly string[];
  /** Timers of machines that were still pending after everything was closed. */
  readonly timers: number;
  /** The most keys that a node had at the end, and how many it may have. */
  readonly keys: { readonly most: number; readonly allowed: number };
  /** Programs that could not get a lock of their own when the faults were over. */
  readonly left: number;
}

/** Whatever is kept of a lock, but for its counter. */
const OF_LOCKS = /^(lock|quorlock:(queue|sharers|semaphore|slot:\d+)):/;

/** However rarely locks are granted, a run ends after this much virtual time. */
const LONGEST_RUN_MS = 600_000;

/** However much is contended for, a run ends after so many calls for every lock that is wanted. */
const CALLS_PER_CYCLE = 4;

/** β, twice, a margin, and the time to notice: what a quarantine has beside the ttl. */
const QUARANTINE_EXTRA_MS = 4_000;

/** Nobody may have noticed yet that a node forgot, and messages may still get lost: more than one quarantine. */
const CALM_QUARANTINES = 3;

/** Pause between two tries to get a lock after the last fault. */
const RECOVERY_POLL_MS = 100;

/** Within this time a Redlock closes, whatever its nodes do. */
const CLOSING_MS = 5_000;

interface Program {
  readonly machine: Machine;
  readonly redlock: Redlock;
}

/** @param trace hears what happens, a line each */
export async function run(mix: Mix, trace?: (line: string) => void): Promise<Findings> {
  const dice = Rng.ofSeed(mix.seed ^ 0x5eed);
  const { latency, loss, doubling, overtaking } = mix;
  const simulation = new Simulation({
    nodes: mix.nodes,
    seed: dice.integer(0, 2 ** 32 - 1),
    network: {
      latency,
      loss,
      doubling,
      overtaking,
      doublingDelay: { least: 0, most: mix.nodeTimeout },
      reconnectDelay: dice.between(1, 50),
    },
    ...(trace === undefined ? {} : { trace }),
  });
  for (const node of simulation.nodes) {
    node.wall.step(dice.between(0, mix.apart));
    node.wall.rate = 1 + mix.rateError * (mix.broken === 'drift' ? 1 : dice.between(-1, 1));
  }
  const ledger: Ledger = {
    locks: [],
    late: [],
    halts: new Map(),
    waiting: 0,
    failures: new Map(),
    calls: 0,
    isOver: () =>
      ledger.locks.length >= mix.cycles ||
      ledger.calls >= CALLS_PER_CYCLE * mix.cycles ||
      simulation.nowMs > LONGEST_RUN_MS,
  };
  const machines: Machine[] = [];
  const programs: Program[] = [];
  const crashed: unknown[] = [];
  const launch = () => {
    const machine = simulation.machine({
      clocks: { rate: 1 + (mix.broken === 'drift' ? 0 : mix.rateError * dice.between(-1, 1)) },
    });
    if (!mix.isRuleKept) weaken(machine, mix.broken);
    const redlock = machine.redlock({
      ttl: mix.ttl,
      maxTtl: mix.maxTtl,
      nodeTimeout: mix.nodeTimeout,
      driftFactor: mix.driftFactor,
      quarantine: mix.broken === 'memory' ? 'off' : 'strict',
      ...(mix.broken === 'wall' ? { clock: wallClockOf(machine) } : {}),
    });
    machines.push(machine);
    programs.push({ machine, redlock });
    for (let index = 1; index <= mix.callers; index += 1) {
      const name = `${machine.name}, caller ${index}`;
      contend(name, machine, redlock, mix, dice.fork(), ledger).catch((error: unknown) =>
        crashed.push(error),
      );
    }
  };
  launch();
  for (const { redlock } of programs) await simulation.until(initialize(redlock), LONGEST_RUN_MS);
  while (machines.length < mix.machines) launch();

  const halts = (machine: Machine) => {
    ledger.halts.set(machine, (ledger.halts.get(machine) ?? 0) + 1);
  };
  const stage: Stage = { simulation, mix, machines, launch, halts };
  const faults = new Faults(stage, dice.fork());
  const stepMs = mix.maxTtl;
  while (!ledger.isOver()) await simulation.advance(stepMs);
  faults.stop();
  simulation.note('the last fault is over', 'run');

  const alive = programs.filter(({ machine }) => machine.state === 'running');
  const calmForMs = CALM_QUARANTINES * (mix.maxTtl * (1 + mix.driftFactor) + QUARANTINE_EXTRA_MS);
  const recoveries = alive.map((program) => recovers(program, simulation.nowMs + calmForMs));
  const left = (await simulation.until(Promise.all(recoveries), LONGEST_RUN_MS)).filter((is) => !is).length;
  await simulation.until(Promise.all(alive.map(({ redlock }) => redlock.close())), CLOSING_MS);
  // A queue outlives whoever was the last to enter it by two of the longest ttls.
  await simulation.advance(mix.maxTtl * 4);
  if (crashed.length > 0) throw crashed[0];

  const keysOf = simulation.nodes.map(({ store }) => store.keys());
  const deadWaits = machines.length - alive.length;
  return {
    mix,
    locks: ledger.locks,
    failures: ledger.failures,
    late: ledger.late,
    stuck: Math.max(0, ledger.waiting - deadWaits * mix.callers),
    orphans: keysOf.flatMap((keys) => keys.filter((key) => OF_LOCKS.test(key))),
    timers: alive.reduce((sum, { machine }) => sum + machine.clock.pendingTimers, 0),
    keys: {
      most: Math.max(...keysOf.map(({ length }) => length)),
      // A counter for every resource, those that the machines locked at the end included, and the marker.
      allowed: mix.resources * countersOf(mix) + machines.length + 1,
    },
    left,
  };
}

/** How many counters one resource has: a semaphore one for each slot. */
function countersOf({ discipline, permits }: Mix): number {
  if (discipline === 'sets') return permits + 1;
  return discipline === 'permits' ? permits : 1;
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

/** Whether a program gets a lock of its own by a moment: the first try may only show that nodes have forgotten. */
async function recovers({ machine, redlock }: Program, untilMs: number): Promise<boolean> {
  const { timeline } = machine.clock;
  while (timeline.nowMs < untilMs) {
    try {
      if ((await redlock.tryAcquire(`of ${machine.name} alone`)) !== null) return true;
    } catch (error) {
      if (!(error instanceof QuorlockError)) throw error;
    }
    await machine.sleep(RECOVERY_POLL_MS);
  }
  return false;
}
