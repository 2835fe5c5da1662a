import { shorten } from '../base/describe.ts';
import type { Handshake, Marker } from '../node/marker.ts';

/** The reason why a server can't be a node of a quorum; each says what to do. Undefined: it can. */
export type Obstacle = string | undefined;

/** Only a master remembers its answers. A server that does not tell its role has to be believed. */
export function replicaObstacle({ role }: Pick<Handshake, 'role'>): Obstacle {
  if (role === 'master' || role === '') return undefined;
  return `it is a ${role}, which forgets what it has not been told yet. Give the address of a master`;
}

/** The run_id tells a server from its earlier process, which had the memory that it has lost. */
export function namelessObstacle({ runId }: Pick<Handshake, 'runId'>): Obstacle {
  if (runId !== '') return undefined;
  return (
    'it does not tell its run_id (INFO server), so that no client could see that it has lost its memory. Use a server that does, ' +
    "or say quarantine: 'off'"
  );
}

/** One server must not vote twice, whatever its addresses are. */
export function twinObstacle(handshake: Pick<Handshake, 'runId'>, others: readonly Looked[]): Obstacle {
  const twin = twinOf(handshake, others);
  if (twin === undefined) return undefined;
  return `it is the same server as ${shorten(twin.node.address)}, under another address. Give every master once`;
}

/** A node, and its handshake if it had one. */
interface Looked {
  readonly node: { readonly address: string };
  readonly handshake: Pick<Handshake, 'runId'> | undefined;
}

/** The one of the others that is the same server. A server without a run_id can't be told from others. */
export function twinOf<Other extends Looked>(
  { runId }: Pick<Handshake, 'runId'>,
  others: readonly Other[],
): Other | undefined {
  return runId === '' ? undefined : others.find(({ handshake }) => handshake?.runId === runId);
}

/** Two majorities of differently long lists need not meet. A start that its client gave up binds no other. */
export function foreignObstacle(marker: Marker | undefined, nodeCount: number): Obstacle {
  if (marker === undefined || marker.state === 'starting' || marker.nodeCount === nodeCount) return undefined;
  return (
    `it is one of a quorum of ${marker.nodeCount}, and here are ${nodeCount}. Give all programs the same list of ` +
    'nodes; if the list has changed and no lock is held, call initialize()'
  );
}
