import { type Quarantine, QuorlockError } from '../../src/index.ts';
import { Rng } from '../../src/testing/rng.ts';
import { Timeline } from '../../src/testing/timeline.ts';
import { Caller, type Section } from './caller.ts';
import { Deployment } from './deployment.ts';
import { Faults, type Stage } from './faults.ts';
import { Machine } from './machine.ts';
import { quarantineMs, type Terms } from './terms.ts';

/** Something that happened, for the story of a failure. */
export interface Incident {
  readonly atMs: number;
  readonly what: string;
}

/** Everything that a run left. All times in true milliseconds. */
export interface Findings {
  readonly terms: Terms;
  readonly quarantine: Quarantine;
  readonly sections: readonly Section[];
  readonly incidents: readonly Incident[];
  /** How many nodes lost their memory. */
  readonly losses: number;
  /** How many calls failed, by code. */
  readonly failures: ReadonlyMap<string, number>;
  /** What should never happen whatever is promised. */
  readonly problems: readonly string[];
  /** How long after the last fault every program had got a lock again; Infinity if one of them did not in time. */
  readonly recoveredAfterMs: number;
}

/** How much longer than a quarantine it may take until locks are to be had again: to see the loss, and to try. */
const RECOVERY_MARGIN_MS = 1_500;

/** How often a program tries to get a lock again. */
const RECOVERY_POLL_MS = 100;

/** Within this time a Redlock closes, whatever its nodes do. */
const CLOSING_MS = 1_000;

/** One run from one seed, under virtual time. */
export async function run(terms: Terms, quarantine: Quarantine): Promise<Findings> {
  const dice = Rng.ofSeed(terms.seed ^ 0x5eed);
  const timeline = new Timeline();
  const incidents: Incident[] = [];
  const log = (what: string) => incidents.push({ atMs: timeline.nowMs, what });
  const deployment = new Deployment(timeline, terms, dice.fork(), quarantine !== 'off', log);
  // Clocks that run apart evenly are furthest apart at the start or at the end.
  const apartAtStartMs = deployment.apartMs;
  const machines: Machine[] = [];
  const sections: Section[] = [];
  const failures = new Map<string, number>();
  const problems: string[] = [];
  const callerDice = dice.fork();
  const machineDice = dice.fork();

  const start = (machine: Machine) => {
    for (let index = 0; index < terms.callersPerMachine; index += 1) {
      const name = `${machine.name}${index + 1}`;
      const caller = new Caller(name, machine, terms, callerDice.fork(), {
        sections,
        failed: (code) => failures.set(code, (failures.get(code) ?? 0) + 1),
      });
      caller.run().catch((error: unknown) => problems.push(`caller ${name} failed: ${String(error)}`));
    }
  };
  const make = () => {
    const name = `program ${machines.length + 1}/`;
    const machine = new Machine(name, timeline, deployment, terms, quarantine, machineDice.fork(), faults);
    machines.push(machine);
    log(`${name} starts`);
    return machine;
  };
  const stage: Stage = {
    timeline,
    deployment,
    machines,
    launch: () => start(make()),
    end: (machine, how) => {
      log(`${machine.name} is ${how}`);
      if (how === 'killed') return machine.kill();
      // It gives back what it holds.
      for (const section of sections) {
        if (section.holder.startsWith(machine.name)) {
          section.validUntil = Math.min(section.validUntil, timeline.nowMs);
        }
      }
      void machine.close();
    },
    log,
  };
  const faults = new Faults(stage, terms, dice.fork());

  // A new deployment is begun by several programs at once, unless one of them declares it to be new.
  if (quarantine !== 'strict') faults.pester();
  const first = make();
  if (quarantine === 'strict') await timeline.runUntil(first.redlock.initialize(), 5_000);
  start(first);
  while (machines.length < terms.machines) stage.launch();
  faults.start();
  await timeline.advance(terms.durationMs);
  faults.stop();
  log('the last fault is over');
  const calmAtMs = timeline.nowMs;

  const running = machines.filter(({ state }) => state === 'running');
  const recoveries = Promise.all(running.map((machine) => recovery(machine, calmAtMs)));
  await timeline.advance(quarantineMs(terms) + RECOVERY_MARGIN_MS);
  for (const machine of running) stage.end(machine, 'closed');
  const recoveredAfterMs = Math.max(...(await timeline.runUntil(recoveries, CLOSING_MS)));
  for (const { name, warnings } of machines) {
    for (const { code, message } of warnings) {
      // Latencies have long tails: where a round trip often takes more than a quarter of a ttl, nodes are too slow.
      const areSlow = 8 * terms.latencyMs > terms.shortestTtl / 4;
      const isTrue =
        (code === 'QUORLOCK_CLOCKS_APART' && Math.max(apartAtStartMs, deployment.apartMs) > terms.maxTtl) ||
        (code === 'QUORLOCK_SLOW_NODE' && areSlow);
      if (!isTrue) problems.push(`${name} warned: ${code}: ${message}`);
    }
  }
  const { losses } = deployment;
  return { terms, quarantine, sections, incidents, losses, failures, problems, recoveredAfterMs };
}

/** How long it takes until a program gets a lock that nobody else wants. */
async function recovery(machine: Machine, sinceMs: number): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    try {
      // Another one each time: what an attempt left behind must not stand in the way of the next.
      const lock = await machine.redlock.tryAcquire(`of ${machine.name} alone, ${tries}`);
      if (lock !== null) return machine.clock.timeline.nowMs - sinceMs;
    } catch (error) {
      if (!(error instanceof QuorlockError)) throw error;
      if (error.code === 'QUORLOCK_CLOSED') return Number.POSITIVE_INFINITY;
    }
    await machine.sleep(RECOVERY_POLL_MS);
  }
}
