import type { Fleet, FleetNode } from './fleet.ts';

/** How many script calls a server has run since it started: every operation of the library is one, or shares one. */
export async function scriptCalls(node: FleetNode): Promise<number> {
  const stats = String(await node.command('INFO', 'commandstats'));
  let calls = 0;
  for (const [, count] of stats.matchAll(/^cmdstat_(?:evalsha|eval):calls=(\d+)/gm)) calls += Number(count);
  return calls;
}

/** The same for every node of a fleet. */
export function scriptCallsOfAll(fleet: Fleet): Promise<number[]> {
  return Promise.all(fleet.nodes.map(scriptCalls));
}

/** Counts the script calls that every node runs while `work` is under way. */
export async function scriptCallsDuring(fleet: Fleet, work: () => Promise<unknown>): Promise<number[]> {
  const before = await scriptCallsOfAll(fleet);
  await work();
  const after = await scriptCallsOfAll(fleet);
  return after.map((calls, index) => calls - (before[index] ?? 0));
}
