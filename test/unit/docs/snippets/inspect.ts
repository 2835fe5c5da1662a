import type { Redlock } from '../../../../src/index.ts';

export async function whoHolds(redlock: Redlock, resource: string): Promise<string> {
  const { state, owner, remainingTtl, nodes } = await redlock.inspect(resource);
  if (state === 'held') return `${owner} holds it for ${remainingTtl} ms more`;
  return `${state}: ${nodes.map(({ node, state }) => `${node} says ${state}`).join(', ')}`;
}
