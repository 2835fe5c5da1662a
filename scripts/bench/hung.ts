import { Fleet } from '../fleet/fleet.ts';
import { Crew } from './peers/crew.ts';
import { Workspace } from './peers/workspace.ts';

/** What a process has after some time in which one node did not answer. */
export interface HungFigures {
  /** Since the node hangs. */
  readonly seconds: number;
  readonly acquisitions: number;
  /** In the last part. */
  readonly rate: number;
  readonly heapBytes: number;
  readonly residentBytes: number;
}

const NODES = 5;
const WORKERS = 64;
const WARM_UP_MS = 5_000;
const PARTS = 6;
const PART_MS = 10_000;

/** `npm run bench -- hung`: whether memory grows while a node hangs: what it is not sent, and what it does not answer, must not pile up. */
export async function measureHung(): Promise<readonly HungFigures[]> {
  using workspace = await Workspace.make();
  await using fleet = await Fleet.start(NODES);
  const variant = { peer: 'quorlock', settings: 'shipped' } as const;
  await using crew = await Crew.start(workspace.program, 1, variant, fleet.urls);
  await crew.cycles('warm-up', WORKERS, WARM_UP_MS);
  const all: HungFigures[] = [];
  let acquisitions = 0;
  const note = async (part: number, rate: number) => {
    const { heapBytes, residentBytes } = await crew.heap();
    all.push({ seconds: (part * PART_MS) / 1_000, acquisitions, rate, heapBytes, residentBytes });
  };
  await note(0, 0);
  fleet.nodes[0]?.pause();
  for (let part = 1; part <= PARTS; part += 1) {
    const { cycles, elapsedMs } = await crew.cycles('hung', WORKERS, PART_MS);
    acquisitions += cycles;
    await note(part, (cycles * 1_000) / elapsedMs);
  }
  return all;
}
