import { shorten } from '../base/describe.ts';
import type { Marker, NodeLook } from '../node/marker.ts';

/** What keeps a server from being a node of a quorum; each says what to do. Undefined: nothing does. */
export type Obstacle = string | undefined;

/** Only a master remembers what it has answered. */
export function replicaObstacle({ role }: Pick<NodeLook, 'role'>): Obstacle {
  if (role === 'master') return undefined;
  return `it is a ${role}, which forgets what it has not been told yet. Give the address of a master`;
}

/** One server must not vote twice, whatever its addresses are. */
export function twinObstacle(
  { runId }: Pick<NodeLook, 'runId'>,
  others: readonly {
    readonly node: { readonly address: string };
    readonly look: Pick<NodeLook, 'runId'> | undefined;
  }[],
): Obstacle {
  const twin = others.find(({ look }) => look?.runId === runId);
  if (twin === undefined) return undefined;
  return `it is the same server as ${shorten(twin.node.address)}, under another address. Give every master once`;
}

/** Two majorities of differently long lists need not meet. A start that somebody began and gave up binds nobody. */
export function foreignObstacle(marker: Marker | undefined, nodeCount: number): Obstacle {
  if (marker === undefined || marker.state === 'starting' || marker.nodeCount === nodeCount) return undefined;
  return (
    `it is one of a quorum of ${marker.nodeCount}, and here are ${nodeCount}. Give all programs the same list of ` +
    'nodes; if the list has changed and no lock is held, call initialize()'
  );
}
