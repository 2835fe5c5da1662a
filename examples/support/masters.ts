import { Redlock } from 'quorlock';
import { Fleet } from '../../scripts/fleet/fleet.ts';

/** Starts `count` real Redis servers, on free ports. They are gone with the program, however it ends. */
export function startServers(count: number): Promise<Fleet> {
  return Fleet.start(count);
}

/** Starts five independent masters for locks and declares that none is held, so that all vote at once. */
export async function startMasters(): Promise<Fleet> {
  const masters = await startServers(5);
  try {
    await using redlock = openRedlock(masters.urls);
    await redlock.initialize();
  } catch (error) {
    await masters.stop();
    throw error;
  }
  return masters;
}

/**
 * The same lock in every process of an example. The times are for a small machine that runs everything at once, and
 * the ttl is short because an example must not take long; the defaults suit programs.
 */
export function openRedlock(urls: readonly string[]): Redlock {
  return new Redlock(urls, {
    ttl: 1_000,
    maxTtl: 2_000,
    nodeTimeout: 250,
    connectTimeout: 10_000,
    waitTime: 30_000,
  });
}
