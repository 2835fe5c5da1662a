import type { NodeStatus } from '../membership/node-status.ts';
import { majorityOf } from '../quorum/round.ts';

/** How the nodes are. */
export interface Status {
  /** The name that other programs see, see the option `owner`. */
  readonly owner: string;
  /** Whether a majority of the nodes is `up`. Without one there are no locks. */
  readonly hasQuorum: boolean;
  /** How many more nodes may fail until there is no quorum; 0 also if there is none. */
  readonly survives: number;
  readonly nodes: readonly NodeStatus[];
}

export function statusWith(owner: string, nodes: readonly NodeStatus[]): Status {
  const spare = nodes.filter(({ state }) => state === 'up').length - majorityOf(nodes.length);
  return { owner, hasQuorum: spare >= 0, survives: Math.max(0, spare), nodes };
}
