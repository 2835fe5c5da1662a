import { setTimeout as delay } from 'node:timers/promises';
import { InitializeError, Redlock } from '../../src/index.ts';
import { Fleet } from '../fleet/fleet.ts';
import { seedAfter } from '../support/seeds.ts';
import { nap, now } from '../support/time.ts';
import { Faults } from './faults.ts';
import type { Report } from './messages.ts';
import { drawPlan } from './plan.ts';
import type { Staff } from './staff.ts';
import type { Terms } from './terms.ts';
import { judge, type Verdict } from './verdict.ts';

const NAMES = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'];

const FIRST_GRANT_WITHIN_MS = 10_000;

/** As many workers as any run needs. */
export const STAFF_SIZE = 4;

/**
 * One run on a fleet of its own, from starting the servers to the verdict. When the signal aborts it ends early, and
 * is judged by what there is.
 */
export async function run(terms: Terms, staff: Staff, stop: AbortSignal): Promise<Verdict> {
  await using fleet = await Fleet.start(terms.nodes, { wallClock: true, appendOnly: terms.keepsMemory });
  const faults = new Faults(fleet, staff, terms.clocks);
  await faults.setClocks();
  if (terms.quarantine === 'strict') await declareNew(fleet, terms);
  const startedAt = now();
  staff.start(
    NAMES.slice(0, terms.workers).map((name, index) => ({
      name,
      seed: seedAfter(terms.seed, index + 1),
      urls: fleet.urls,
      terms,
    })),
  );
  await untilFirstGrant(staff, stop);
  const problems: string[] = [];
  let reports: readonly Report[] = [];
  const inflicting = faults.run(drawPlan(terms), stop).catch((error: unknown) => {
    problems.push(`a fault could not be inflicted: ${String(error)}`);
  });
  await Promise.all([nap(terms.durationMs, stop), inflicting]);
  try {
    reports = await staff.finish(terms.workers);
  } catch (error) {
    problems.push(String(error));
  }
  return judge({ terms, startedAt, reports, incidents: faults.incidents, problems });
}

/** Faults are to meet a deployment in use. On a busy machine it takes a while until there is one. */
async function untilFirstGrant(staff: Staff, stop: AbortSignal): Promise<void> {
  const deadline = now() + FIRST_GRANT_WITHIN_MS;
  while (staff.grants === 0 && now() < deadline && !stop.aborted) await nap(10, stop);
}

/** Waiting is strict even in a new deployment, unless somebody says that it is new. */
async function declareNew(fleet: Fleet, { maxTtl, ttl, quarantine }: Terms): Promise<void> {
  await using redlock = new Redlock(fleet.urls, { ttl, maxTtl, quarantine, connectTimeout: 10_000 });
  for (let triesLeft = 20; ; triesLeft -= 1) {
    try {
      await redlock.initialize();
      return;
    } catch (error) {
      // Nodes that it has not connected to yet, or is just looking at, are a matter of time.
      if (!(error instanceof InitializeError) || triesLeft === 0) throw error;
      await delay(50);
    }
  }
}
