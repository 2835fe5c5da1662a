import { describe, expect, it } from 'vitest';
import { chooseSeed, seedAfter } from '../../scripts/support/seeds.ts';
import { type Lock, type LockJSON, QuorlockError, type Redlock } from '../../src/index.ts';
import { MARKER_KEY } from '../../src/node/marker.ts';
import { findOverAdmissions } from '../../src/testing/checkers/over-admission.ts';
import { findOverlaps, type SharedInterval } from '../../src/testing/checkers/overlaps.ts';
import { findTokenFaults, type Grant } from '../../src/testing/checkers/tokens.ts';
import type { Machine } from '../../src/testing/machine.ts';
import { Rng } from '../../src/testing/rng.ts';
import { Simulation } from '../../src/testing/simulation.ts';
import { Turn } from '../../src/testing/timeline.ts';

const seed = chooseSeed();

const RUNS = 24;
const LONGEST_TEST_MS = 120_000;

const TTL = 400;
const NODE_TIMEOUT = 20;
const DRIFT_FACTOR = 0.01;
const PERMITS = 2;
const MACHINES = 3;
const CALLERS = 2;
const LASTS_MS = 3_000;
/** Everything has expired by then, and no caller waits. */
const REST_MS = 10 * TTL;
/** A node that lost its memory votes again within that time. */
const ROUGH_LASTS_MS = 10_000;

/** The world that locks travel in. */
interface Terms {
  /** Whether holders use a lock that they have sent away, which they must not. */
  readonly goesOn?: boolean;
  /** Whether nodes lose their memory, Redlocks are closed, and clocks step. */
  readonly isRough?: boolean;
}

/** What one handle was used for, from its grant to the last moment at which its caller made sure that it was held. */
interface Use extends SharedInterval {
  readonly resources: readonly string[];
  readonly isPermit: boolean;
  /** 0 without fencing. */
  readonly token: number;
  readonly requestedAt: number;
  readonly grantedAt: number;
  /** Of a lock that was acquired, and not adopted. */
  readonly isFirst: boolean;
  to: number;
}

const WISHES = ['a', 'a', 'both', 'read', 'read', 'write', 'permit'] as const;

/** A world in which locks travel, from its seed. */
class Travels {
  readonly uses: Use[] = [];
  /** How many processes have adopted each lock that was handed over. */
  readonly adopted = new Map<LockJSON, number>();
  readonly #simulation: Simulation;
  readonly #rng: Rng;
  readonly isFenced: boolean;
  readonly #terms: Terms;
  readonly #lastsMs: number;
  readonly #redlocks = new Map<Machine, Redlock>();

  constructor(ofRun: number, terms: Terms = {}) {
    this.#rng = Rng.ofSeed(ofRun);
    this.isFenced = this.#rng.chance(0.75);
    this.#terms = terms;
    this.#lastsMs = terms.isRough === true ? ROUGH_LASTS_MS : LASTS_MS;
    this.#simulation = new Simulation({
      seed: ofRun,
      nodes: this.#rng.pick([terms.isRough === true ? 3 : 1, 3, 3, 5]),
      network: {
        latency: this.#rng.pick([{ least: 0.05, most: 0.3 }, { least: 0.2, most: 3 }, { mean: 1 }]),
        doubling: this.#rng.pick([0, 0.1, 0.3]),
        doublingDelay: { least: 0.1, most: 2 * NODE_TIMEOUT },
        overtaking: this.#rng.pick([0, 0.1]),
        loss: this.#rng.pick([0, 0, 0.02]),
        resends: this.#rng.chance(0.5),
        reconnectDelay: 5,
      },
    });
    for (const { wall } of this.#simulation.nodes) wall.rate = this.#rate();
    for (let count = 0; count < MACHINES; count += 1) this.#launch();
    this.#disturb();
  }

  async run(): Promise<void> {
    await this.#simulation.advance(this.#lastsMs + REST_MS);
  }

  get keysLeft(): readonly string[] {
    return this.#simulation.nodes.flatMap(({ store }) =>
      store.keys().filter((key) => key.startsWith('lock:')),
    );
  }

  /** The clocks of two of them run apart as much as the drift factor allows for. */
  #rate(): number {
    return 1 + (DRIFT_FACTOR / 2) * this.#rng.between(-1, 1);
  }

  get #isOver(): boolean {
    return this.#simulation.nowMs > this.#lastsMs;
  }

  #launch(): void {
    const machine = this.#simulation.machine({ clocks: { rate: this.#rate() } });
    const redlock = machine.redlock({
      quarantine: this.#terms.isRough === true ? 'auto' : 'off',
      fencing: this.isFenced,
      ttl: TTL,
      maxTtl: 2 * TTL,
      nodeTimeout: NODE_TIMEOUT,
      driftFactor: DRIFT_FACTOR,
    });
    this.#redlocks.set(machine, redlock);
    for (let count = 1; count <= CALLERS; count += 1)
      void this.#call(machine, redlock, `${machine.name}.${count}`);
  }

  /** Not all nodes at once: those would be taken for new ones. */
  #forget(): void {
    const { nodes } = this.#simulation;
    const marked = nodes.filter(({ store }) => store.typeOf(MARKER_KEY) !== 'none');
    const node = this.#rng.pick(nodes);
    if (marked.every((other) => other === node)) return;
    if (this.#rng.chance(0.5)) node.flushAll();
    else node.restart({ keepMemory: this.#rng.chance(0.3) });
  }

  /** A program ends as it should, and another one begins. */
  async #close(machine: Machine, redlock: Redlock): Promise<void> {
    this.#redlocks.delete(machine);
    this.#launch();
    await redlock.close();
  }

  #disturbRoughly(machine: Machine, redlock: Redlock): void {
    const rng = this.#rng;
    switch (rng.pick(['forget', 'close', 'step', 'set back', 'suspend'] as const)) {
      case 'forget':
        this.#forget();
        break;
      case 'close':
        void this.#close(machine, redlock);
        break;
      case 'step':
        machine.clock.stepWall(rng.between(-2, 2) * TTL);
        break;
      case 'set back':
        rng.pick(this.#simulation.nodes).wall.step(rng.between(-0.2, 0) * TTL);
        break;
      case 'suspend':
        machine.suspend(rng.between(0, 1.5 * TTL));
    }
  }

  /** Machines are paused and killed, and connections break. */
  #disturb(): void {
    const rng = this.#rng;
    this.#simulation.timeline.in(rng.between(20, 200), Turn.input, () => {
      const [machine] = rng.sample([...this.#redlocks.keys()], 1);
      if (this.#isOver || machine === undefined) return;
      const redlock = this.#redlocks.get(machine);
      if (this.#terms.isRough === true && redlock !== undefined && rng.chance(0.5)) {
        this.#disturbRoughly(machine, redlock);
        this.#disturb();
        return;
      }
      const client = rng.pick(machine.clients);
      switch (rng.pick(['pause', 'kill', 'disconnect', 'cut'] as const)) {
        case 'pause':
          machine.pause(rng.between(0, 1.5 * TTL));
          break;
        case 'kill':
          machine.kill();
          this.#redlocks.delete(machine);
          this.#launch();
          break;
        case 'disconnect':
          client.disconnect({ requestsArrive: rng.chance(0.5) });
          break;
        case 'cut':
          client.cut(rng.pick(['requests', 'replies', 'both'] as const));
          this.#simulation.timeline.in(rng.between(0, 3 * NODE_TIMEOUT), Turn.input, () => client.mend());
      }
      this.#disturb();
    });
  }

  async #call(machine: Machine, redlock: Redlock, name: string): Promise<void> {
    const rng = this.#rng.fork();
    for (let count = 1; !this.#isOver && this.#redlocks.get(machine) === redlock; count += 1) {
      const requestedAt = this.#simulation.nowMs;
      const lock = await unlessRefused(acquire(redlock, rng.pick(WISHES), rng.pick([30, 500])));
      if (lock !== undefined)
        await this.#live(machine, lock, { holder: `${name}, ${count}`, requestedAt, isFirst: true });
      await machine.sleep(rng.between(0, 5));
    }
  }

  /** Uses a lock, and gives it back, sends it away or forgets it. */
  async #live(
    machine: Machine,
    lock: Lock,
    about: Pick<Use, 'holder' | 'requestedAt' | 'isFirst'>,
  ): Promise<void> {
    const rng = this.#rng;
    const from = this.#simulation.nowMs;
    const { resources, token, isShared, permit } = lock.toJSON();
    const isPermit = permit !== null;
    const use: Use = {
      ...about,
      resources,
      token: token ?? 0,
      isShared,
      isPermit,
      grantedAt: from,
      from,
      to: from,
    };
    this.uses.push(use);
    for (;;) {
      await machine.sleep(rng.pick([0, 1, 5, 50, TTL / 2]) * rng.between(0, 1));
      if (lock.remainingValidity() <= 0) return;
      use.to = this.#simulation.nowMs;
      const next = rng.pick(['release', 'send', 'send', 'extend', 'race', 'forget'] as const);
      // An extension that is still under way when the lock is sent.
      if (next === 'race') void unlessRefused(lock.extend());
      if (next === 'extend') await unlessRefused(lock.extend());
      if (next === 'release') await lock.release();
      if (next === 'send' || next === 'race') this.#send(lock, use.holder);
      if (next === 'forget' || next === 'release') return;
    }
  }

  /** Sends a lock to one machine or, as queues do when in doubt, to several. */
  #send(lock: Lock, from: string): void {
    const rng = this.#rng;
    const json: LockJSON =
      this.#terms.goesOn === true ? { ...lock.toJSON(), isHandedOver: true } : lock.handOver();
    const text = JSON.stringify(json);
    this.adopted.set(json, 0);
    for (let copy = 0; copy < rng.pick([1, 1, 2, 3]); copy += 1) {
      const afterMs = rng.pick([0.1, 1, 5, 50, 2 * TTL]) * rng.between(0, 1);
      this.#simulation.timeline.in(afterMs, Turn.input, () => {
        const machine = rng.pick([...this.#redlocks.keys()]);
        void this.#adopt(machine, json, text, `${from} → ${machine.name}`);
      });
    }
  }

  async #adopt(machine: Machine, json: LockJSON, text: string, holder: string): Promise<void> {
    const requestedAt = this.#simulation.nowMs;
    // A machine that is paused has the message when it goes on.
    await machine.sleep(0);
    const lock = await unlessRefused(this.#redlocks.get(machine)?.adopt(JSON.parse(text)));
    if (lock === undefined) return;
    this.adopted.set(json, (this.adopted.get(json) ?? 0) + 1);
    expect(lock.toJSON().token).toBe(json.token);
    await this.#live(machine, lock, { holder, requestedAt, isFirst: false });
  }
}

function acquire(redlock: Redlock, wish: (typeof WISHES)[number], waitTime: number): Promise<Lock> {
  switch (wish) {
    case 'a':
      return redlock.acquire('a', { waitTime });
    case 'both':
      return redlock.acquire(['a', 'b'], { waitTime });
    case 'read':
      return redlock.readWrite('b').acquireRead({ waitTime });
    case 'write':
      return redlock.readWrite('b').acquireWrite({ waitTime });
    case 'permit':
      return redlock.semaphore('s', PERMITS).acquire({ waitTime });
  }
}

async function unlessRefused<Result>(work: Promise<Result> | undefined): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof QuorlockError) return undefined;
    throw error;
  }
}

function usesOf(resource: string, { uses }: Travels): readonly Use[] {
  return uses.filter((use) => use.resources.includes(resource) && !use.isPermit);
}

/** What is wrong in a run, in words. */
function faultsOf(travels: Travels): readonly string[] {
  const grants = (resource: string): readonly Grant[] =>
    usesOf(resource, travels).filter(({ isFirst }) => isFirst);
  return [
    ...['a', 'b'].flatMap((resource) => [
      ...findOverlaps(usesOf(resource, travels)).map(
        ({ first, second }) => `${first.holder} and ${second.holder} had ${resource} at ${second.from}`,
      ),
      ...findTokenFaults(travels.isFenced ? grants(resource) : []).map(
        ({ kind, earlier, later }) => `${kind} ${earlier.token} ${later.token} of ${resource}`,
      ),
    ]),
    ...findOverAdmissions(
      travels.uses.filter(({ isPermit }) => isPermit),
      PERMITS,
    ).map(({ last, permits }) => `${last.holder} made ${permits} permits`),
    ...[...travels.adopted]
      // A share that a driver asks for a second time, late, is one that may be adopted: readers may be several. So is a
      // lock without fencing, once the first adopter has released it.
      .filter(([{ isShared }, times]) => times > 1 && !isShared && travels.isFenced)
      .map(([json, times]) => `${JSON.stringify(json)} was adopted ${times} times`),
    ...travels.keysLeft.map((key) => `${key} is left`),
  ];
}

describe('locks that travel between machines', () => {
  it.each<[string, number, Terms]>([
    ['are never two holders', RUNS, {}],
    [
      'are never two holders where nodes forget, programs end and clocks are set',
      RUNS / 2,
      { isRough: true },
    ],
  ])(
    `%s, and keep their tokens, QUORLOCK_SEED=${seed}`,
    async (_, runs, terms) => {
      let [sent, adoptions] = [0, 0];
      for (let index = 0; index < runs; index += 1) {
        const ofRun = seedAfter(seed, index);
        const travels = new Travels(ofRun, terms);
        await travels.run();
        expect(faultsOf(travels), `QUORLOCK_SEED=${ofRun}`).toEqual([]);
        sent += travels.adopted.size;
        adoptions += [...travels.adopted.values()].filter((times) => times === 1).length;
      }
      console.log(`${sent} locks were sent, ${adoptions} adopted, QUORLOCK_SEED=${seed}`);
      // Or else nothing was tried.
      expect(adoptions).toBeGreaterThan(runs * 10);
    },
    LONGEST_TEST_MS,
  );

  it(
    `would be two holders' where one uses what it has sent, QUORLOCK_SEED=${seed}`,
    async () => {
      const faults: string[] = [];
      for (let index = 0; faults.length === 0 && index < RUNS; index += 1) {
        const travels = new Travels(seedAfter(seed, index), { goesOn: true });
        await travels.run();
        faults.push(...faultsOf(travels));
      }
      expect(faults.join('\n')).toMatch(/ had [ab] at /);
    },
    LONGEST_TEST_MS,
  );
});
