import { Fleet } from '../fleet/fleet.ts';
import { BRIEF } from './peers/arguments.ts';
import { type Figures, typical } from './peers/figures.ts';
import { cyclesInTurns } from './peers/measure.ts';
import { WarmCrews } from './peers/warm-crews.ts';
import { Workspace } from './peers/workspace.ts';

/** What a cycle costs over a number of quorums of five. */
export interface QuorumsFigures {
  readonly quorums: number;
  readonly workers: number;
  readonly figures: Figures;
}

const NODES = 5;
const WORKERS = [64, 256];
const ROUNDS = 3;

/** `npm run bench -- quorums`: one quorum and several, in turns: what a lock costs must not depend on how many there are. */
export async function measureQuorums(): Promise<readonly QuorumsFigures[]> {
  using workspace = await Workspace.make();
  const variant = { peer: 'quorlock', settings: 'spread' } as const;
  await using one = await Fleet.start(NODES);
  await using three = await Fleet.start(3 * NODES);
  const crewsOf = ({ urls }: Fleet) =>
    new WarmCrews({ program: workspace.program, urls, workers: WORKERS, ms: BRIEF.cyclesWarmUpMs });
  await using crewsOfOne = crewsOf(one);
  await using crewsOfThree = crewsOf(three);
  const settings = [
    { quorums: 1, fleet: one, crews: crewsOfOne },
    { quorums: 3, fleet: three, crews: crewsOfThree },
  ].flatMap((setting) => WORKERS.map((workers) => ({ ...setting, workers, variant })));
  const all = await cyclesInTurns(settings, ROUNDS);
  return settings.map(({ quorums, workers }, at) => ({ quorums, workers, figures: typical(all[at] ?? []) }));
}
