import { NoQuorumError, Redlock } from '../../src/index.ts';
import { Fleet, type FleetNode } from '../fleet/fleet.ts';
import { printTable, quantile } from './figures.ts';

const ROUNDS = 15;
const ACQUISITIONS_A_ROUND = 400;
const REJECTIONS = 20;
const NODE_TIMEOUT_MS = 50;

/** A fleet of five to which something was done, and what an acquire takes there. */
interface Case {
  readonly name: string;
  readonly fleet: Fleet;
  readonly redlock: Redlock;
  /** Milliseconds of each acquire, a list a round. */
  readonly latencies: number[][];
}

/** What failed nodes cost: healthy and damaged fleets side by side, in turns. */
export async function degraded(): Promise<void> {
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
    for (let round = 0; round < ROUNDS; round += 1) {
      const turn = round % cases.length;
      for (const one of [...cases.slice(turn), ...cases.slice(0, turn)]) await measureRound(one, round);
    }
    const [healthy] = cases;
    console.log(
      `${ROUNDS} rounds of ${ACQUISITIONS_A_ROUND} acquisitions each, one caller, medians of the rounds`,
    );
    printTable(
      ['acquire', 'p50 ms', 'p99 ms', 'p50 ratio', 'p99 ratio'],
      cases.map((one) => {
        const ratio = (q: number) =>
          (healthy ? typical(one, q) / typical(healthy, q) : Number.NaN).toFixed(2);
        return [
          one.name,
          typical(one, 0.5).toFixed(3),
          typical(one, 0.99).toFixed(3),
          ratio(0.5),
          ratio(0.99),
        ];
      }),
    );
    const rejections: (string | number)[][] = [];
    for (const one of lost) {
      const taken = await measureRejections(one);
      const figures = [quantile(taken, 0.5), quantile(taken, 1)].map((ms) => ms.toFixed(1));
      rejections.push([one.name, ...figures, NODE_TIMEOUT_MS + 50]);
    }
    printTable(['rejection', 'p50 ms', 'longest ms', 'nodeTimeout + 50 ms'], rejections);
  } finally {
    for (const { redlock, fleet } of [...cases, ...lost]) {
      await redlock.close();
      await fleet.stop();
    }
  }
}

async function damaged(name: string, count: number, damage: (node: FleetNode) => unknown): Promise<Case> {
  const fleet = await Fleet.start(5);
  const redlock = new Redlock(fleet.urls, { nodeTimeout: NODE_TIMEOUT_MS });
  await (await redlock.acquire('warm-up')).release();
  for (const node of fleet.nodes.slice(0, count)) await damage(node);
  return { name, fleet, redlock, latencies: [] };
}

/** The quantile of each round, and of these the median: one stall of the machine is not the library's. */
function typical({ latencies }: Case, q: number): number {
  return quantile(
    latencies.map((round) => quantile(round, q)),
    0.5,
  );
}

async function measureRound({ redlock, latencies }: Case, round: number): Promise<void> {
  const taken: number[] = [];
  for (let i = 0; i < ACQUISITIONS_A_ROUND; i += 1) {
    const start = performance.now();
    const lock = await redlock.acquire(`bench:${round}:${i}`);
    taken.push(performance.now() - start);
    await lock.release();
  }
  latencies.push(taken);
}

async function measureRejections({ redlock }: Case): Promise<readonly number[]> {
  const taken: number[] = [];
  for (let i = 0; i < REJECTIONS; i += 1) {
    const start = performance.now();
    const error = await redlock.acquire(`bench:lost:${i}`).catch((reason: unknown) => reason);
    taken.push(performance.now() - start);
    if (!(error instanceof NoQuorumError)) throw new Error('a lost majority must reject with NoQuorumError');
  }
  return taken;
}
