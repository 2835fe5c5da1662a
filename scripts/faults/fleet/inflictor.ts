import { setMaxListeners } from 'node:events';
import type { WallClockSetting } from '../../fleet/wall-clock.ts';
import { nap, now } from '../../support/time.ts';
import {
  describeFault,
  type Fault,
  isNodeFault,
  LATEST_MS,
  type LoadFault,
  type NodeFault,
  type Terms,
} from '../plan.ts';
import type { Crew } from './crew.ts';
import type { Master } from './masters/master.ts';
import type { Masters } from './masters/masters.ts';

/** A fault that came to be, on the clock of scripts/support/time.ts. */
export interface Incident {
  readonly from: number;
  /** When it was taken back, Infinity before that; what came of it may take longer. */
  to: number;
  readonly fault: Fault;
  readonly what: string;
  /** Whose process it was done to. */
  readonly worker?: string;
}

const BALLAST_KEY = 'chaos:ballast';
const BALLAST_BYTES = 2_000_000;

/** Carries out a plan. Whatever comes, at the end all nodes are up, can be reached, and no process is stopped. */
export class Inflictor {
  readonly incidents: Incident[] = [];
  readonly #masters: Masters;
  readonly #crew: Crew;
  readonly #clocks: WallClockSetting[];
  /** What is under way on each node: two faults of one node never overlap, be the machine ever so slow. */
  readonly #underWay = new Map<Master, Promise<void>>();

  constructor(masters: Masters, crew: Crew, { clocks }: Terms) {
    this.#masters = masters;
    this.#crew = crew;
    this.#clocks = masters.nodes.map(({ index }) => clocks[index] ?? { offsetMs: 0, rate: 1 });
  }

  /** For the start of a run. */
  async setClocks(): Promise<void> {
    if (!this.#masters.abilities.has('clock')) return;
    await Promise.all(this.#masters.nodes.map((node) => this.#setClock(node, (setting) => setting)));
  }

  /** Resolves when every fault is over. Those that have not begun when the signal aborts do not begin. */
  async run(plan: readonly Fault[], startedAt: number, stop: AbortSignal): Promise<void> {
    // Every fault waits for its time.
    setMaxListeners(0, stop);
    const outcomes = await Promise.allSettled(
      plan.map(async (fault) => {
        await nap(startedAt + fault.atMs - now(), stop);
        if (stop.aborted) return;
        if (isNodeFault(fault)) await this.#afflictNodes(fault, startedAt, stop);
        else await this.#afflictLoad(fault, stop);
      }),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** Sets all clocks right again. Locks that are held may expire early by that. */
  async setClocksRight(): Promise<void> {
    if (!this.#masters.abilities.has('clock')) return;
    await Promise.all(this.#masters.nodes.map((node) => node.setWallClock({ offsetMs: 0, rate: 1 })));
  }

  async #afflictLoad(fault: LoadFault, stop: AbortSignal): Promise<void> {
    const who = fault.kind.endsWith('holder') ? 'holder' : 'waiter';
    const victim = await this.#crew.next(who, fault.kind.startsWith('kill'), stop);
    if (victim === undefined) return;
    const incident: Incident = {
      from: now(),
      to: Number.POSITIVE_INFINITY,
      fault,
      what: `${describeFault(fault)}: ${victim.name}`,
      worker: victim.name,
    };
    this.incidents.push(incident);
    if (fault.kind.startsWith('kill')) {
      await victim.kill();
    } else {
      await nap(fault.forMs, stop);
      victim.goOn();
    }
    incident.to = now();
  }

  async #afflictNodes(fault: NodeFault, startedAt: number, stop: AbortSignal): Promise<void> {
    const nodes = fault.nodes.flatMap((index) => this.#masters.nodes[index] ?? []);
    // Of several that wait for the same fault to be over, the first goes on, and the others wait for that one.
    for (let before: unknown[] = []; nodes.some((node, at) => this.#underWay.get(node) !== before[at]); ) {
      before = nodes.map((node) => this.#underWay.get(node));
      await Promise.all(before);
    }
    if (stop.aborted || now() - startedAt > fault.atMs + LATEST_MS) return;
    if (fault.kind === 'replica' && !this.#masters.hasSpare) return;
    const incident: Incident = {
      from: now(),
      to: Number.POSITIVE_INFINITY,
      fault,
      what: describeFault(fault),
    };
    this.incidents.push(incident);
    const work = Promise.all(nodes.map((node) => this.#afflict(fault, node, stop)));
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    // A clock that runs wrong is no reason to leave a node alone.
    if (fault.kind !== 'rate') for (const node of nodes) this.#underWay.set(node, settled);
    try {
      await work;
    } finally {
      incident.to = now();
    }
  }

  async #afflict(fault: NodeFault, node: Master, stop: AbortSignal): Promise<void> {
    const { kind, forMs, amount = 0 } = fault;
    const { server } = node;
    const pass = () => nap(forMs, stop);
    switch (kind) {
      case 'kill':
      case 'kill empty':
        await server.kill();
        await pass();
        return server.restart(kind === 'kill' ? 'kept' : 'lost');
      case 'pause':
        await server.pause();
        await pass();
        return server.resume();
      case 'flush':
        await node.command('FLUSHALL');
        return;
      case 'reset':
        return node.proxy.resetAll();
      case 'cut':
      case 'cut replies':
      case 'cut requests':
        node.proxy.cut(kind === 'cut' ? 'both' : kind === 'cut replies' ? 'down' : 'up');
        await pass();
        return node.proxy.heal();
      case 'delay':
        node.proxy.setDelayMs(amount, amount);
        await pass();
        return node.proxy.heal();
      case 'jitter':
        node.proxy.setDelayMs(0, 0, amount);
        await pass();
        return node.proxy.heal();
      case 'drip':
        node.proxy.slowDrip(amount);
        await pass();
        return node.proxy.heal();
      case 'step':
        return this.#setClock(node, ({ offsetMs, rate }) => ({
          offsetMs: Math.round(offsetMs + amount),
          rate,
        }));
      case 'set clock':
        return this.#setClock(node, ({ rate }) => ({ offsetMs: Math.round(amount), rate }));
      case 'rate':
        await this.#setClock(node, ({ offsetMs }) => ({ offsetMs, rate: amount }));
        await pass();
        return this.#setClock(node, ({ offsetMs }) => ({ offsetMs, rate: 1 }));
      case 'starve': {
        const feed = await server.starve();
        await pass();
        return feed();
      }
      case 'oom':
        await fillMemory(node);
        await pass();
        return freeMemory(node);
      case 'replica': {
        const promote = await this.#masters.copyOf(node);
        await pass();
        return promote();
      }
      case 'disconnect': {
        const connect = await server.disconnect();
        await pass();
        return connect();
      }
    }
  }

  async #setClock(node: Master, change: (setting: WallClockSetting) => WallClockSetting): Promise<void> {
    const setting = change(this.#clocks[node.index] ?? { offsetMs: 0, rate: 1 });
    this.#clocks[node.index] = setting;
    await node.setWallClock(setting);
  }
}

/** Lowers the bound close to what is used, and then goes beyond it. */
async function fillMemory(node: Master): Promise<void> {
  await node.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  const info = String(await node.command('INFO', 'memory'));
  const used = Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? 0);
  await node.command('CONFIG', 'SET', 'maxmemory', used + BALLAST_BYTES / 2);
  await node.command('SETRANGE', BALLAST_KEY, BALLAST_BYTES, 'x');
}

async function freeMemory(node: Master): Promise<void> {
  await node.command('CONFIG', 'SET', 'maxmemory', 0);
  await node.command('DEL', BALLAST_KEY);
}
