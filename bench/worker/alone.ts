import type { Peer } from '../peers/peer.ts';

/** What an undisturbed acquire takes, in milliseconds each, one after the other. */
export async function alone(peer: Peer, resource: string, durationMs: number): Promise<readonly number[]> {
  const acquireMs: number[] = [];
  const end = performance.now() + durationMs;
  for (let before = performance.now(); before < end; before = performance.now()) {
    const release = await peer.acquire(resource);
    acquireMs.push(performance.now() - before);
    await release();
  }
  return acquireMs;
}
