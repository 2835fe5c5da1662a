import type { Redlock } from '../../../src/index.ts';
import { type Machine, Simulation } from '../../../src/testing/index.ts';
import { Rng } from '../../../src/testing/rng.ts';

/** A program on a machine of its own. */
interface Program {
  readonly machine: Machine;
  readonly redlock: Redlock;
}

/** What came of callers that had sets of resources. */
export interface Figures {
  readonly locks: number;
  readonly perSecond: number;
  /** Script calls of all nodes together, for each lock. */
  readonly commandsPerLock: number;
  /** From a call to its lock, in milliseconds, in the order of the locks. */
  readonly waits: readonly number[];
  readonly failures: number;
  /** How often two callers had a resource at the same time. */
  readonly overlaps: number;
}

/** Callers that have sets of resources. Each has a program of its own. */
class Crowd {
  readonly simulation: Simulation;
  readonly #held = new Map<string, { from: number; to: number }[]>();
  readonly #waits: number[] = [];
  readonly #beganMs: number;
  #failures = 0;

  constructor(simulation: Simulation) {
    this.simulation = simulation;
    this.#beganMs = simulation.nowMs;
  }

  async hold({ machine, redlock }: Program, resources: readonly string[], holdMs: number): Promise<void> {
    const askedAt = this.simulation.nowMs;
    try {
      const lock = await redlock.acquire(resources, { waitTime: 30_000 });
      this.#waits.push(this.simulation.nowMs - askedAt);
      const from = this.simulation.nowMs;
      // A program that dies has it until its validity ends.
      const turn = { from, to: from + lock.remainingValidity() };
      for (const resource of resources) this.#turnsOf(resource).push(turn);
      await machine.sleep(holdMs);
      turn.to = Math.min(turn.to, this.simulation.nowMs);
      await lock.release();
    } catch {
      this.#failures += 1;
    }
  }

  figures(commandsBefore: number): Figures {
    const locks = this.#waits.length;
    const { nowMs } = this.simulation;
    return {
      locks,
      perSecond: Math.round((locks * 1_000) / (nowMs - this.#beganMs)),
      commandsPerLock: (commandsOf(this.simulation) - commandsBefore) / locks,
      waits: this.#waits,
      failures: this.#failures,
      overlaps: [...this.#held.values()].reduce((sum, turns) => sum + overlapsIn(turns), 0),
    };
  }

  #turnsOf(resource: string): { from: number; to: number }[] {
    const turns = this.#held.get(resource) ?? [];
    this.#held.set(resource, turns);
    return turns;
  }
}

/** The turns are in the order in which they began. */
function overlapsIn(turns: readonly { readonly from: number; readonly to: number }[]): number {
  return turns.filter(({ from }, index) => from < (turns[index - 1]?.to ?? 0)).length;
}

function commandsOf({ nodes }: Simulation): number {
  return nodes.reduce((sum, { commands }) => sum + commands, 0);
}

/** Programs that are connected to their nodes. */
async function programsIn(simulation: Simulation, count: number): Promise<readonly Program[]> {
  const programs = Array.from({ length: count }, () => {
    const machine = simulation.machine();
    return { machine, redlock: machine.redlock({ quarantine: 'off' }) };
  });
  await simulation.until(Promise.all(programs.map(({ redlock }) => redlock.inspect('something else'))));
  return programs;
}

/** Five nodes, near enough that a lock of one resource that is held for 1 ms is granted 560 times a second. */
function nearNodes(seed: number): Simulation {
  return new Simulation({ nodes: 5, seed, network: { latency: { least: 0.1, most: 0.3 } } });
}

/** Programs that have sets of resources again and again, for some milliseconds each time. */
export interface Loops {
  readonly programs: number;
  readonly holdMs: number;
  readonly forMs: number;
  readonly seed: number;
  /** The set of one turn of a program. */
  set(program: number, dice: Rng): readonly string[];
}

/** Runs the loops, and counts. */
export async function runLoops({ programs: count, holdMs, forMs, seed, set }: Loops): Promise<Figures> {
  const simulation = nearNodes(seed);
  const programs = await programsIn(simulation, count);
  const crowd = new Crowd(simulation);
  const untilMs = simulation.nowMs + forMs;
  const before = commandsOf(simulation);
  const work = programs.map(async (program, index) => {
    const dice = Rng.ofSeed(seed + index);
    while (simulation.nowMs < untilMs) await crowd.hold(program, set(index, dice), holdMs);
  });
  await simulation.until(Promise.all(work));
  return crowd.figures(before);
}

/** A caller that wants all of some resources, while others have one of them at a time, and no pause between two. */
export interface AllOfThem {
  readonly resources: readonly string[];
  /** How many loops there are over each of the resources. */
  readonly loops: number;
  readonly longestHoldMs: number;
  readonly times: number;
  readonly seed: number;
}

/** The figures of the one caller that wants all. */
export async function wantAll({ resources, loops, longestHoldMs, times, seed }: AllOfThem): Promise<Figures> {
  const simulation = nearNodes(seed);
  const [one, ...others] = await programsIn(simulation, resources.length * loops + 1);
  if (one === undefined) throw new Error('there is no program');
  const dice = Rng.ofSeed(seed);
  const [ones, rest] = [new Crowd(simulation), new Crowd(simulation)];
  let isOver = false;
  const work = others.map(async (program, index) => {
    const resource = resources[index % resources.length] ?? '';
    while (!isOver) await rest.hold(program, [resource], dice.between(longestHoldMs / 2, longestHoldMs));
  });
  for (let count = 0; count < times; count += 1) {
    await simulation.until(one.machine.sleep(dice.between(50, 150)));
    await simulation.until(ones.hold(one, resources, 1));
  }
  isOver = true;
  await simulation.until(Promise.all(work));
  return ones.figures(0);
}

/** What a run of random sets was made of, and what came of it. */
export interface RandomSets {
  readonly figures: Figures;
  readonly programs: number;
  readonly longestHoldMs: number;
  readonly story: string;
}

/** Random programs that want random sets of a few resources, a given number of times in all. Some of the programs die, or hang for a while. */
export async function randomSets(seed: number, calls: number, haveFaults: boolean): Promise<RandomSets> {
  const dice = Rng.ofSeed(seed);
  const simulation = new Simulation({
    nodes: dice.pick([1, 3, 3, 5]),
    seed,
    network: { latency: { least: 0.1, most: dice.pick([0.3, 1, 5]) } },
  });
  const count = dice.integer(2, 12);
  const resources = Array.from({ length: dice.integer(2, 8) }, (_, index) => `r${index}`);
  const largest = dice.integer(1, resources.length);
  const longestHoldMs = dice.pick([0, 1, 5, 30]);
  const programs = await programsIn(simulation, count);
  const crowd = new Crowd(simulation);
  let left = calls;
  const work = programs.map(async (program, index) => {
    // One is always well.
    const fault = haveFaults && index > 0 && dice.chance(0.5) ? dice.pick(['kill', 'pause']) : undefined;
    if (fault !== undefined) {
      void programs[0]?.machine.sleep(dice.between(0, 200)).then(() => {
        if (fault === 'kill') program.machine.kill();
        else program.machine.pause(dice.between(0, 1_000));
      });
    }
    while (left > 0 && program.machine.state !== 'dead') {
      left -= 1;
      await crowd.hold(
        program,
        someOf(dice.integer(1, largest), resources, dice),
        dice.between(0, longestHoldMs),
      );
      if (dice.chance(0.3)) await program.machine.sleep(dice.between(0, 20));
    }
  });
  const living = Promise.all(work.filter((_, index) => !haveFaults || index === 0));
  await simulation.until(living);
  return {
    figures: crowd.figures(0),
    programs: count,
    longestHoldMs,
    story: `seed ${seed}: ${count} programs, sets of up to ${largest} of ${resources.length}, held for up to ${longestHoldMs} ms`,
  };
}

/** A given number of different ones of these resources. */
export function someOf(count: number, resources: readonly string[], dice: Rng): readonly string[] {
  const rest = [...resources];
  return Array.from({ length: count }, () => rest.splice(dice.integer(0, rest.length - 1), 1)[0] ?? '');
}
