import type { Redlock } from '../../../../src/index.ts';

export async function report(redlock: Redlock): Promise<string> {
  const { hasQuorum, survives, nodes } = await redlock.status();
  const faults = nodes
    .filter(({ state }) => state !== 'up')
    .map(({ node, state, why }) => `${node} is ${state}: ${why}`);
  return [hasQuorum ? `${survives} more nodes may fail` : 'there is no quorum', ...faults].join('\n');
}
