import type { Lock, Redlock, RedlockOptions } from '../../../src/index.ts';
import type { Machine, MachineOptions, SimulationOptions } from '../../../src/testing/index.ts';
import { Simulation } from '../../../src/testing/index.ts';

/** A program on a machine of its own. */
export interface Program {
  readonly machine: Machine;
  readonly redlock: Redlock;
}

/** A tuple of this length; a list where the length is not known. */
type Several<Item, Count extends number, Some extends readonly Item[] = readonly []> = number extends Count
  ? readonly Item[]
  : Some['length'] extends Count
    ? Some
    : Several<Item, Count, readonly [...Some, Item]>;

/** A lock as a holder had it, in true milliseconds. */
export interface Turn {
  readonly who: string;
  readonly askedAt: number;
  readonly from: number;
  readonly to: number;
}

/** A simulation in which programs wait for each other's locks. */
export class Scene {
  readonly simulation: Simulation;
  readonly turns: Turn[] = [];

  constructor(options: SimulationOptions = {}) {
    this.simulation = new Simulation({ nodes: 5, ...options });
  }

  /** Programs that are connected to their nodes. */
  async programs<Count extends number>(
    count: Count,
    options: RedlockOptions = {},
    machineOptions: MachineOptions = {},
  ): Promise<Several<Program, Count>> {
    const programs = Array.from({ length: count }, () => {
      const machine = this.simulation.machine(machineOptions);
      return { machine, redlock: machine.redlock({ quarantine: 'off', ...options }) };
    });
    const connected = programs.map(({ redlock }) => redlock.inspect('something else'));
    await this.simulation.until(Promise.all(connected));
    return programs as readonly Program[] as Several<Program, Count>;
  }

  /** Waits for a lock, has it for a while, and gives it back. */
  async hold(
    { machine, redlock }: Program,
    who: string,
    holdMs: number,
    options: Parameters<Redlock['acquire']>[1] = { waitTime: 600_000 },
  ): Promise<Lock> {
    const askedAt = this.simulation.nowMs;
    const lock = await redlock.acquire('r', options);
    const from = this.simulation.nowMs;
    await machine.sleep(holdMs);
    this.turns.push({ who, askedAt, from, to: this.simulation.nowMs });
    await lock.release();
    return lock;
  }

  /** Who had the lock, in that order. */
  get order(): readonly string[] {
    return [...this.turns].sort((a, b) => a.from - b.from).map(({ who }) => who);
  }

  /** How often two had the lock at the same time. */
  get overlaps(): number {
    const turns = [...this.turns].sort((a, b) => a.from - b.from);
    return turns.filter((turn, index) => index > 0 && turn.from < (turns[index - 1]?.to ?? 0)).length;
  }

  /** Script calls of all nodes together. */
  get commands(): number {
    return this.simulation.nodes.reduce((sum, { commands }) => sum + commands, 0);
  }

  /** Keys on any node, counters and markers left out. */
  get keys(): readonly string[] {
    const keys = this.simulation.nodes.flatMap(({ store }) => [...store.keys()]);
    return [...new Set(keys)].filter((key) => !/^quorlock:(fence|node)/.test(key)).sort();
  }
}

/** A scene with its programs. */
export async function sceneOf<Count extends number>(
  count: Count,
  options: RedlockOptions = {},
  sceneOptions: SimulationOptions = {},
) {
  const scene = new Scene(sceneOptions);
  return { scene, simulation: scene.simulation, programs: await scene.programs(count, options) };
}

/** Jain's index: 1 if all have had as much, 1/n if one has had everything. */
export function jain(counts: readonly number[]): number {
  const sum = counts.reduce((total, count) => total + count, 0);
  return sum ** 2 / (counts.length * counts.reduce((total, count) => total + count ** 2, 0));
}
