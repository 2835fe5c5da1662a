import type { Redlock } from '../../../../src/index.ts';

export async function whoHolds(redlock: Redlock, resource: string): Promise<string> {
  const { state, value, remainingTtl, nodes } = await redlock.inspect(resource);
  if (state === 'held') return `${value} holds it for ${remainingTtl} ms more`;
  return `${state}: ${nodes.map(({ node, state }) => `${node} says ${state}`).join(', ')}`;
}
