import { vi } from 'vitest';
import { Fleet, type FleetNode, type FleetOptions } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { QuorlockError, Redlock, type RedlockOptions } from '../../src/index.ts';

const ignoreWarnings = () => undefined;

/**
 * Options for tests whose nodes answer, or of whose nodes a majority does: on a busy machine a slow node must not pass for a
 * failed one. A node that has been fast has a quarter of `nodeTimeout`. A test with shorter ttls says a shorter one.
 */
export const PATIENT = {
  nodeTimeout: 8_000,
  connectTimeout: 10_000,
  onWarning: ignoreWarnings,
} as const satisfies RedlockOptions;

/** Options for tests that sit through the timeouts of hung nodes: too few nodes are told of at once. */
export const BRISK = { ...PATIENT, nodeTimeout: 2_000, onOutage: 'reject' } as const satisfies RedlockOptions;

export interface DeploymentOptions extends FleetOptions {
  /** The largest ttl that the deployment ever sees. */
  readonly maxTtl?: number;
}

/** A fleet that a Redlock has used while all of it was well: faults then meet a deployment, not newcomers. */
export async function startDeployment(
  nodeCount: number,
  { maxTtl = 30_000, ...fleetOptions }: DeploymentOptions = {},
): Promise<Fleet> {
  const fleet = await Fleet.start(nodeCount, fleetOptions);
  try {
    const nodeTimeout = Math.min(PATIENT.nodeTimeout, Math.floor(maxTtl / 2));
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, nodeTimeout, maxTtl });
    // On a busy machine a client may not see all of them new at once, and would have them serve a quarantine.
    const declare = () =>
      redlock.initialize().then(
        () => true,
        () => false,
      );
    await eventually('they are declared new', declare);
    await untilAllVote(redlock);
  } catch (error) {
    await fleet.stop();
    throw error;
  }
  return fleet;
}

/**
 * Passes when every node has granted a lock and has it no more. A majority is enough to be granted one: before this, a node
 * may not be connected yet, may not have its marker, or may be busy with what it was asked for last.
 */
export function untilAllVote(redlock: Redlock): Promise<void> {
  return eventually('every node votes', async () => {
    try {
      // A node's answer shows what it has done before: each has its turn on its own connection.
      const areAll = async (wanted: 'held' | 'free') => {
        const { nodes } = await redlock.inspect('all vote');
        return nodes.every(({ state }) => state === wanted);
      };
      const lock = await redlock.acquire('all vote');
      const haveGranted = await areAll('held');
      await lock.release();
      return haveGranted && (await areAll('free'));
    } catch (error) {
      if (error instanceof QuorlockError) return false;
      throw error;
    }
  });
}

/** One server of a program. */
export function startOn(binary: string, directives: readonly string[] = []): Promise<Fleet> {
  vi.stubEnv('QUORLOCK_REDIS_SERVER', binary);
  const starting = Fleet.start(1, { directives });
  vi.unstubAllEnvs();
  return starting;
}

export function nodeAt(fleet: Fleet, index: number): FleetNode {
  const node = fleet.nodes[index];
  if (node === undefined) throw new Error(`the fleet has no node ${index}`);
  return node;
}

/** Locks, kills the first node and starts it again, and waits until it locks again. */
export async function expectLocksAfterRestart(fleet: Fleet, redlock: Redlock): Promise<void> {
  await (await redlock.acquire('before')).release();
  await nodeAt(fleet, 0).kill();
  await nodeAt(fleet, 0).restart();
  await eventually('it locks again', () =>
    redlock
      .acquire('after')
      .then((lock) => lock.release())
      .then(
        () => true,
        () => false,
      ),
  );
}
