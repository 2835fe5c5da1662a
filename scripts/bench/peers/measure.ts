import type { Fleet } from '../../fleet/fleet.ts';
import { scriptCallsOfAll } from '../../fleet/server-calls.ts';
import { quantile } from '../figures.ts';
import { BRIEF, type Limiter } from './arguments.ts';
import type { Case } from './cases.ts';
import { Crew } from './crew.ts';
import type { Figures } from './figures.ts';
import { handoversMs, overlaps, runFigures, sum } from './run-figures.ts';
import type { Variant } from './variants.ts';
import type { WarmCrews } from './warm-crews.ts';

/** A burst is given up after it, in milliseconds; it takes a hundredth of that if no contender waits in vain. */
const BURST_LIMIT_MS = 5_000;

/** Of a lock whose holder is killed, in milliseconds. */
const ORPHAN_TTL_MS = 4_000;

/** Before each measurement of workers: by then all of them are at work. In milliseconds. */
const SETTLE_MS = 150;

/** Where and for how long things are measured. */
export interface Bench {
  /** The compiled code of the processes. */
  readonly program: string;
  readonly fleet: Fleet;
  readonly pace: Limiter;
  /** For workers with locks of their own. */
  readonly crews: WarmCrews;
}

/**
 * Measures one library in one case once, in processes of its own and on keys of its own: nothing is left of others. Workers
 * with locks of their own are in the library's warm process.
 *
 * @throws {WorkerError}
 */
export async function measure(bench: Bench, one: Case, variant: Variant): Promise<Figures> {
  if (one.kind === 'cycles') return await measureCycles(await bench.crews.of(variant), one, bench);
  await using crew = await Crew.start(bench.program, one.processes, variant, bench.fleet.urls);
  if (one.kind === 'failing') return await measureFailing(crew, one, bench);
  if (one.kind === 'orphan') return await measureOrphan(crew, bench.fleet);
  if (one.kind === 'burst') return await measureBursts(crew, one, bench.pace);
  if (one.kind === 'run') return (await measureRun(crew, one, bench.pace)).figures;
  const aloneMs = quantile(await crew.alone(newResource(), bench.pace.aloneMs), 0.5);
  const { figures, handovers } = await measureRun(crew, one, bench.pace);
  if (one.kind === 'one-process') {
    const limit = 1_000 / (figures.heldMs + aloneMs);
    return { ...figures, aloneMs, limit, share: figures.rate / limit };
  }
  const [handoverP50Ms, handoverP99Ms] = [quantile(handovers, 0.5), quantile(handovers, 0.99)];
  return {
    ...figures,
    aloneMs,
    handoverP50Ms,
    handoverP99Ms,
    handoverP50: handoverP50Ms / aloneMs,
    handoverP99: handoverP99Ms / aloneMs,
    handovers: handovers.length,
  };
}

async function measureRun(crew: Crew, one: Case, { warmUpMs, measuredMs }: Limiter) {
  const reports = await crew.run({
    resource: newResource(),
    contenders: one.contendersEach,
    warmUpMs,
    measuredMs,
  });
  const window = { fromMs: warmUpMs, toMs: warmUpMs + measuredMs };
  return { figures: runFigures(reports, window), handovers: handoversMs(reports, window) };
}

async function measureBursts(crew: Crew, one: Case, { bursts }: Limiter): Promise<Figures> {
  const takenMs: number[] = [];
  let unfinished = 0;
  let overlapsSeen = 0;
  // Who is not through goes on waiting, and would disturb the next burst.
  while (takenMs.length < bursts && unfinished === 0) {
    const reports = await crew.burst({
      resource: newResource(),
      contenders: one.contendersEach,
      limitMs: BURST_LIMIT_MS,
    });
    unfinished = reports.reduce((total, report) => total + report.unfinished, 0);
    overlapsSeen += overlaps(reports.flatMap((report) => report.contenders.flatMap(({ holds }) => holds)));
    takenMs.push(
      unfinished > 0 ? BURST_LIMIT_MS : Math.max(...reports.map((report) => report.lastReleasedAtMs)),
    );
  }
  return { burstMs: quantile(takenMs, 0.5), unfinished, overlaps: overlapsSeen };
}

async function measureOrphan(crew: Crew, fleet: Fleet): Promise<Figures> {
  let callsBefore: readonly number[] = [];
  const { heldUntil, startAt, reports } = await crew.orphan(newResource(), ORPHAN_TTL_MS, async () => {
    callsBefore = await scriptCallsOfAll(fleet);
  });
  const calls = sum(await scriptCallsOfAll(fleet)) - sum(callsBefore);
  const endOfTtlMs = Number(heldUntil - startAt) / 1e6;
  const holds = reports.flatMap(({ contenders }) => contenders.flatMap((contender) => contender.holds));
  return {
    afterTtlMs: Math.min(...holds.map(({ acquiredAtMs }) => acquiredAtMs)) - endOfTtlMs,
    burstMs: Math.max(...reports.map(({ lastReleasedAtMs }) => lastReleasedAtMs)) - endOfTtlMs,
    commandsEach: calls / reports.length,
    unfinished: reports.reduce((total, { unfinished }) => total + unfinished, 0),
    overlaps: overlaps(holds),
  };
}

async function measureCycles(
  crew: Crew,
  { contendersEach }: Pick<Case, 'contendersEach'>,
  { fleet, pace }: Pick<Bench, 'fleet' | 'pace'>,
): Promise<Figures> {
  const resource = newResource();
  await crew.cycles(resource, contendersEach, SETTLE_MS);
  const before = await processorUs(fleet);
  const report = await crew.cycles(resource, contendersEach, pace.cyclesMs);
  const serverUs = (await processorUs(fleet)) - before;
  const { cycles, elapsedMs, cpuUs, acquireP50Ms, acquireP99Ms, failures } = report;
  return {
    rate: (cycles * 1_000) / elapsedMs,
    acquireP50Ms,
    acquireP99Ms,
    clientUs: cpuUs / cycles,
    serverUs: serverUs / cycles,
    failures,
  };
}

/** Workers with locks of their own, of one kind. */
interface CyclesRow {
  readonly crews: WarmCrews;
  readonly variant: Variant;
  readonly workers: number;
  readonly fleet: Fleet;
}

/** The rounds of each row. Another one begins in every round: whatever the machine does, no row always has it first. */
export async function cyclesInTurns(
  rows: readonly CyclesRow[],
  rounds: number,
): Promise<readonly Figures[][]> {
  const all = rows.map((): Figures[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const at of rows.map((_, index) => (index + round) % rows.length)) {
      const row = rows[at];
      if (row === undefined) continue;
      const crew = await row.crews.of(row.variant);
      const terms = { fleet: row.fleet, pace: BRIEF };
      all[at]?.push(await measureCycles(crew, { contendersEach: row.workers }, terms));
    }
  }
  return all;
}

async function measureFailing(crew: Crew, one: Case, bench: Bench): Promise<Figures> {
  await crew.cycles(newResource(), one.contendersEach, bench.pace.cyclesWarmUpMs);
  const healthy = await measureCycles(crew, one, bench);
  const failing = bench.fleet.nodes.slice(0, 2);
  await Promise.all(failing.map((node) => (one.failure === 'hung' ? node.pause() : node.kill())));
  const figures = await measureCycles(crew, one, bench);
  const { rate = Number.NaN, acquireP99Ms = Number.NaN } = figures;
  return {
    ...figures,
    rateLeft: rate / (healthy.rate ?? Number.NaN),
    p99Growth: acquireP99Ms / (healthy.acquireP99Ms ?? Number.NaN),
  };
}

/** What the nodes that answer have needed since they were started, all together, in microseconds. */
async function processorUs({ nodes }: Fleet): Promise<number> {
  let us = 0;
  for (const node of nodes) {
    if (node.state !== 'up') continue;
    const text = String(await node.command('INFO', 'cpu'));
    for (const [, seconds] of text.matchAll(/^used_cpu_(?:user|sys):(\S+)/gm)) us += Number(seconds) * 1e6;
  }
  return us;
}

let resources = 0;

/** A resource that was never locked. */
function newResource(): string {
  resources += 1;
  return `contended:${resources}`;
}
