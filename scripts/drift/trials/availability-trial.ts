import { NoQuorumError } from '../../../src/index.ts';
import { Simulation } from '../../../src/testing/index.ts';
import { Rng } from '../../../src/testing/rng.ts';

/** Time to notice what broke. */
const SETTLE_MS = 10;

/**
 * Whether a lock can be acquired when each node is down with this probability, whatever the others are. One that is
 * down has crashed or hangs, as likely the one as the other.
 */
export async function availabilityTrial(
  nodes: number,
  downProbability: number,
  seed: number,
): Promise<boolean> {
  const dice = Rng.ofSeed(seed);
  const simulation = new Simulation({ nodes, seed });
  const redlock = simulation.machine().redlock();
  const first = await simulation.until(redlock.acquire('first use'));
  await simulation.until(first.release());
  for (const node of simulation.nodes) {
    if (!dice.chance(downProbability)) continue;
    if (dice.chance(0.5)) node.crash();
    else node.pause();
  }
  await simulation.advance(SETTLE_MS);
  try {
    return (await simulation.until(redlock.tryAcquire('page'))) !== null;
  } catch (error) {
    if (error instanceof NoQuorumError) return false;
    throw error;
  }
}
