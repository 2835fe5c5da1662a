import { NoQuorumError } from '../../../src/index.ts';
import type { Lock } from '../../../src/lock/lock.ts';
import type { Redlock } from '../../../src/redlock.ts';
import { type Machine, Simulation } from '../../../src/testing/index.ts';
import { Rng } from '../../../src/testing/rng.ts';
import { majorityOf } from '../theory/majority.ts';
import { type ClockTerms, errorOfEach } from './clock-terms.ts';
import { type Check, Holder } from './holder.ts';
import type { LateWrites } from './resource.ts';

/** What one way for the holder to judge its lock came to. */
interface Outcome {
  /** The rival had the lock, checked, while the holder's own check still said that it held it. */
  readonly overlaps: boolean;
  readonly late: LateWrites;
}

export interface ClockTrial {
  /** Whether the holder got its lock; nothing else happens if it did not. */
  readonly granted: boolean;
  /** Whether holder or rival warned of a node's clock. */
  readonly noticed: boolean;
  /** The holder goes by the library's checks. */
  readonly allowance: Outcome;
  /** The holder goes by the ttl, on its own clock, with nothing taken off. */
  readonly plain: Outcome;
}

const RESOURCE = 'page';
const KEY = `lock:${RESOURCE}`;

/** The rival connects so long before it tries. */
const LEAD_MS = 5;

/** How many times in a ttl watchers look at the nodes. */
const LOOKS = 10;

/** For how many ttls they have watched before the holder takes its lock: more than any window of the detection. */
const WATCHED_TTLS = 2.5;

/** Clocks step in this part of the ttl: long enough after the grant and before the end of any allowance. */
const STEPS_FROM = 0.1;
const STEPS_UNTIL = 0.6;

/**
 * One lock, from its grant to its end, and a rival that takes it at the first possible moment: it tries just when a
 * majority of nodes has no key any more, which only a simulation can know. A rival that tries all the time comes no sooner.
 */
export async function clockTrial(terms: ClockTerms, seed: number): Promise<ClockTrial> {
  const dice = Rng.ofSeed(seed);
  const simulation = new Simulation({ nodes: terms.nodes, seed });
  const rates = ratesOf(terms, dice);
  simulation.nodes.forEach((node, index) => {
    node.wall.rate = rates.nodes[index] ?? 1;
  });
  await firstUse(simulation);
  const holders = simulation.machine({ name: 'holder', clocks: { rate: rates.holder } });
  const holding = connect(holders, terms);
  const rival = new Rival(simulation, terms, rates.rival);
  if (terms.watchers !== 'none') rival.connect();
  if (terms.watchers === 'both') {
    for (let looks = 0; looks < WATCHED_TTLS * LOOKS; looks += 1) {
      await rival.watch(terms.ttl / LOOKS);
      await simulation.until(holding.inspect(RESOURCE));
    }
  }
  // Connected, so that nothing comes between the first reading of the clock and the attempt.
  await simulation.until(holding.inspect(RESOURCE));
  const holder = new Holder(holders, terms.ttl);
  const lock = await take(simulation, holders, holding, terms);
  if (lock === null) {
    const nothing: Outcome = { overlaps: false, late: { sent: 0, accepted: 0 } };
    return { granted: false, noticed: hasWarned(holders, rival), allowance: nothing, plain: nothing };
  }
  const work = holder.work(lock, { pauseMs: terms.pauseMs, pauseAtShare: dice.between(0, 1) });
  const rivalsLock = await rival.take(dice.between(STEPS_FROM, STEPS_UNTIL) * terms.ttl);
  const overlaps = (check: Check) => rivalsLock !== null && check.holds();
  const [allowance, plain] = [overlaps(holder.allowance), overlaps(holder.plain)];
  if (rivalsLock !== null) {
    await Promise.all(
      [holder.allowance, holder.plain].map(({ resource }) => resource.takeOver(rivalsLock.token)),
    );
  }
  await simulation.until(work);
  return {
    granted: true,
    noticed: hasWarned(holders, rival),
    allowance: { overlaps: allowance, late: holder.allowance.resource.late },
    plain: { overlaps: plain, late: holder.plain.resource.late },
  };
}

/** A rival that tries to get the lock while it is held, with eyes on the nodes or without. */
class Rival {
  readonly #simulation: Simulation;
  readonly #terms: ClockTerms;
  readonly #rate: number;
  #machine: Machine | undefined;
  #redlock: Redlock | undefined;

  constructor(simulation: Simulation, terms: ClockTerms, rate: number) {
    this.#simulation = simulation;
    this.#terms = terms;
    this.#rate = rate;
  }

  get machine(): Machine | undefined {
    return this.#machine;
  }

  connect(): Redlock {
    this.#machine ??= this.#simulation.machine({ name: 'rival', clocks: { rate: this.#rate } });
    this.#redlock ??= connect(this.#machine, this.#terms);
    return this.#redlock;
  }

  /** Lets time pass. A rival that is connected looks at the nodes at its end. */
  async watch(ms: number): Promise<void> {
    await this.#simulation.advance(ms);
    if (this.#redlock !== undefined) await this.#simulation.until(this.#redlock.inspect(RESOURCE));
  }

  /** Tries as soon as a majority of nodes is free, and again until no holder may think any more that it has the lock. */
  async take(stepsAfterMs: number): Promise<Lock | null> {
    const { stepMs, steppedNodes, ttl } = this.#terms;
    const beganAtMs = this.#simulation.nowMs;
    let toStepMs = stepMs === 0 ? Number.POSITIVE_INFINITY : stepsAfterMs;
    for (;;) {
      const toFreeMs = msUntilFree(this.#simulation);
      const waitMs = Math.max(0, Math.min(toFreeMs - LEAD_MS, toStepMs, ttl / LOOKS));
      const stepped = toStepMs <= waitMs;
      await this.watch(waitMs);
      toStepMs -= waitMs;
      if (stepped) {
        for (const node of this.#simulation.nodes.slice(0, steppedNodes)) node.wall.step(stepMs);
        toStepMs = Number.POSITIVE_INFINITY;
      }
      if (msUntilFree(this.#simulation) > LEAD_MS) continue;
      const redlock = this.connect();
      await this.#simulation.until(redlock.inspect(RESOURCE));
      await this.#simulation.advance(Math.max(0, msUntilFree(this.#simulation)));
      const lock = await tryOnce(this.#simulation, redlock, ttl);
      // Twice the ttl is past the end of any holder's validity, however slow its clock.
      if (lock !== null || this.#simulation.nowMs > beganAtMs + 2 * ttl) return lock;
    }
  }
}

/** Marks the nodes as active: they are not new. */
async function firstUse(simulation: Simulation): Promise<void> {
  const redlock = simulation.machine({ name: 'first' }).redlock();
  const lock = await simulation.until(redlock.acquire('first use'));
  await simulation.until(lock.release());
  await simulation.until(redlock.close());
}

function connect(machine: Machine, { ttl, driftFactor }: ClockTerms): Redlock {
  return machine.redlock({ ttl, maxTtl: ttl, driftFactor });
}

async function take(
  simulation: Simulation,
  machine: Machine,
  redlock: Redlock,
  { ttl, grantingNodes }: ClockTerms,
): Promise<Lock | null> {
  for (const client of machine.clients.slice(grantingNodes)) client.cut('requests');
  const lock = await tryOnce(simulation, redlock, ttl);
  // The grants of those that were not needed any more are under way.
  await simulation.advance(1);
  return lock;
}

async function tryOnce(simulation: Simulation, redlock: Redlock, ttl: number): Promise<Lock | null> {
  try {
    return await simulation.until(redlock.tryAcquire(RESOURCE, { ttl }));
  } catch (error) {
    if (error instanceof NoQuorumError) return null;
    throw error;
  }
}

/** True milliseconds until a majority of nodes has no key any more. */
function msUntilFree({ nodes }: Simulation): number {
  const waits = nodes.map(({ store, wall, timeUs }) => {
    const ttl = store.ttlOf(KEY);
    if (ttl < 0) return 0;
    // Redis keeps whole milliseconds, and a key up to the end of its last one.
    return (Math.floor(timeUs / 1_000) + ttl + 1 - wall.read()) / wall.rate;
  });
  return waits.toSorted((a, b) => a - b)[majorityOf(nodes.length) - 1] ?? 0;
}

function hasWarned(holder: Machine, rival: Rival): boolean {
  const warnings = [...holder.warnings, ...(rival.machine?.warnings ?? [])];
  return warnings.some(({ code }) => code === 'QUORLOCK_CLOCK');
}

interface Rates {
  readonly nodes: readonly number[];
  readonly holder: number;
  readonly rival: number;
}

function ratesOf({ nodes, clocks }: ClockTerms, dice: Rng): Rates {
  const each = errorOfEach(clocks.relativeError);
  const count = Array.from({ length: nodes });
  if (clocks.kind === 'random') {
    const draw = () => dice.between(1 - each, 1 + each);
    return { nodes: count.map(draw), holder: draw(), rival: draw() };
  }
  const [fast, slow] = [1 + each, 1 - each];
  return {
    nodes: count.map(() => fast),
    holder: slow,
    rival: clocks.rivalLike === 'holder' ? slow : fast,
  };
}
