import { setMaxListeners } from 'node:events';
import type { Fleet, FleetNode } from '../fleet/fleet.ts';
import type { WallClockSetting } from '../fleet/wall-clock.ts';
import { nap, now } from '../support/time.ts';
import { describeFault, type Fault, LATEST_MS } from './plan.ts';
import type { Staff } from './staff.ts';

/** A fault that came to be, on the clock of time.ts. */
export interface Incident {
  readonly at: number;
  readonly what: string;
}

/** Carries out a plan. Whatever comes, at the end all nodes are up and no process is stopped. */
export class Faults {
  readonly incidents: Incident[] = [];
  readonly #fleet: Fleet;
  readonly #staff: Staff;
  readonly #clocks: WallClockSetting[];
  /** What is under way on each node: two faults of one node never overlap, be the machine ever so slow. */
  readonly #underWay = new Map<FleetNode, Promise<void>>();

  /** `clocks`: what the nodes' wall clocks are set to at first. */
  constructor(fleet: Fleet, staff: Staff, clocks: readonly WallClockSetting[]) {
    this.#fleet = fleet;
    this.#staff = staff;
    this.#clocks = [...clocks];
  }

  /** For the start of a run. */
  async setClocks(): Promise<void> {
    await Promise.all(this.#fleet.nodes.map((node) => this.#setClock(node, {})));
  }

  /** Resolves when every fault is over. Those that have not begun when the signal aborts do not begin. */
  async run(plan: readonly Fault[], stop: AbortSignal): Promise<void> {
    const startedAt = now();
    // Every fault waits for its time.
    setMaxListeners(0, stop);
    const outcomes = await Promise.allSettled(
      plan.map(async (fault) => {
        await nap(startedAt + fault.atMs - now(), stop);
        if (!stop.aborted) await this.#inflict(fault, startedAt, stop);
      }),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #inflict(fault: Fault, startedAt: number, stop: AbortSignal): Promise<void> {
    if (fault.kind === 'stop holder') {
      const goOn = this.#staff.stopLatestHolder();
      if (goOn === undefined) return;
      this.#note(fault);
      await nap(fault.forMs, stop);
      goOn();
      return;
    }
    const nodes = fault.nodes.flatMap((index) => this.#fleet.nodes[index] ?? []);
    if (fault.kind === 'step' || fault.kind === 'rate') {
      this.#note(fault);
      const change = fault.kind === 'step' ? { offsetMs: fault.offsetMs } : { rate: fault.rate };
      await Promise.all(nodes.map((node) => this.#setClock(node, change)));
      if (fault.kind === 'step') return;
      await nap(fault.forMs, stop);
      await Promise.all(nodes.map((node) => this.#setClock(node, { rate: 1 })));
      return;
    }
    await Promise.all(nodes.map((node) => this.#underWay.get(node)));
    if (stop.aborted || now() - startedAt > fault.atMs + LATEST_MS) return;
    this.#note(fault);
    await Promise.all(
      nodes.map((node) => {
        const work = afflict(fault, node, stop);
        this.#underWay.set(
          node,
          work.catch(() => undefined),
        );
        return work;
      }),
    );
  }

  async #setClock(node: FleetNode, change: Partial<WallClockSetting>): Promise<void> {
    const setting = { offsetMs: 0, rate: 1, ...this.#clocks[node.index], ...change };
    this.#clocks[node.index] = setting;
    await node.setWallClock(setting);
  }

  #note(fault: Fault): void {
    this.incidents.push({ at: now(), what: describeFault(fault) });
  }
}

type NodeFault = Exclude<Fault, { kind: 'stop holder' | 'step' | 'rate' }>;

async function afflict(fault: NodeFault, node: FleetNode, stop: AbortSignal): Promise<void> {
  switch (fault.kind) {
    case 'flush':
      await node.command('FLUSHALL');
      return;
    case 'pause':
      node.pause();
      await nap(fault.forMs, stop);
      node.resume();
      return;
    case 'kill':
    case 'empty':
      await node.kill();
      await nap(fault.forMs, stop);
      await (fault.kind === 'kill' ? node.restart() : node.restartEmpty());
      return;
  }
}
