// `npm run bench`: what failed nodes cost. Healthy and damaged fleets are measured side by side, in turns, in one
// run; the ratios travel between machines, the milliseconds do not.
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { NoQuorumError, Redlock } from '../src/index.ts';
import { Fleet, type FleetNode } from '../test/fleet/fleet.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    acquisitions: { type: 'string', default: '400' },
  },
});
const rounds = Number(values.rounds);
const acquisitions = Number(values.acquisitions);
const NODE_TIMEOUT_MS = 50;

/** A table without colours: it may be read in a file. */
const PLAIN = { style: { head: [], border: [] } };

/** What is done to a fleet of five, and what an acquire then takes. */
interface Case {
  readonly name: string;
  readonly fleet: Fleet;
  readonly redlock: Redlock;
  /** Milliseconds of each acquire, a list a round. */
  readonly latencies: number[][];
}

async function damaged(name: string, count: number, damage: (node: FleetNode) => unknown): Promise<Case> {
  const fleet = await Fleet.start(5);
  const redlock = new Redlock(fleet.urls, { nodeTimeout: NODE_TIMEOUT_MS });
  await (await redlock.acquire('warm-up')).release();
  for (const node of fleet.nodes.slice(0, count)) await damage(node);
  return { name, fleet, redlock, latencies: [] };
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

function ascending(list: readonly number[]): readonly number[] {
  return [...list].sort((a, b) => a - b);
}

/** The quantile of each round, and of these the median: one stall of the machine is not the library's. */
function typical({ latencies }: Case, q: number): number {
  return quantile(ascending(latencies.map((round) => quantile(ascending(round), q))), 0.5);
}

async function measureRound({ redlock, latencies }: Case, round: number): Promise<void> {
  const taken: number[] = [];
  for (let i = 0; i < acquisitions; i += 1) {
    const start = performance.now();
    const lock = await redlock.acquire(`bench:${round}:${i}`);
    taken.push(performance.now() - start);
    await lock.release();
  }
  latencies.push(taken);
}

async function measureRejections({ redlock }: Case): Promise<readonly number[]> {
  const taken: number[] = [];
  for (let i = 0; i < 20; i += 1) {
    const start = performance.now();
    const error = await redlock.acquire(`bench:lost:${i}`).catch((reason: unknown) => reason);
    taken.push(performance.now() - start);
    if (!(error instanceof NoQuorumError)) throw new Error('a lost majority must reject with NoQuorumError');
  }
  return ascending(taken);
}

const kill = (node: FleetNode) => node.kill();
const hang = (node: FleetNode) => node.pause();
const cases = [
  await damaged('all healthy', 0, kill),
  await damaged('2 of 5 killed', 2, kill),
  await damaged('2 of 5 hung', 2, hang),
];
const lost = [await damaged('3 of 5 killed', 3, kill), await damaged('3 of 5 hung', 3, hang)];

try {
  for (const one of cases) await measureRound(one, -1);
  for (const one of cases) one.latencies.length = 0;
  for (let round = 0; round < rounds; round += 1) {
    const turn = round % cases.length;
    for (const one of [...cases.slice(turn), ...cases.slice(0, turn)]) await measureRound(one, round);
  }
  const [healthy] = cases;
  const degraded = new Table({ ...PLAIN, head: ['acquire', 'p50 ms', 'p99 ms', 'p50 ratio', 'p99 ratio'] });
  for (const one of cases) {
    const ratio = (q: number) => (healthy ? typical(one, q) / typical(healthy, q) : Number.NaN).toFixed(2);
    degraded.push([
      one.name,
      typical(one, 0.5).toFixed(3),
      typical(one, 0.99).toFixed(3),
      ratio(0.5),
      ratio(0.99),
    ]);
  }
  console.log(`${rounds} rounds of ${acquisitions} acquisitions each, one caller, medians of the rounds`);
  console.log(degraded.toString());

  const rejections = new Table({ ...PLAIN, head: ['rejection', 'p50 ms', 'longest ms', 'bound ms'] });
  for (const one of lost) {
    const taken = await measureRejections(one);
    const longest = quantile(taken, 1);
    rejections.push([one.name, quantile(taken, 0.5).toFixed(1), longest.toFixed(1), NODE_TIMEOUT_MS + 50]);
  }
  console.log(rejections.toString());
} finally {
  for (const { redlock, fleet } of [...cases, ...lost]) {
    await redlock.close();
    await fleet.stop();
  }
}
