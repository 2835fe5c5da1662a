import { shorten } from '../base/describe.ts';
import type { Handshake, Marker } from '../node/marker.ts';

/** What keeps a server from being a node of a quorum; each says what to do. Undefined: nothing does. */
export type Obstacle = string | undefined;

/** Only a master remembers what it has answered. One that does not tell what it is has to be believed. */
export function replicaObstacle({ role }: Pick<Handshake, 'role'>): Obstacle {
  if (role === 'master' || role === '') return undefined;
  return `it is a ${role}, which forgets what it has not been told yet. Give the address of a master`;
}

/** By its run_id a server is told from the one that it was before it lost its memory. */
export function namelessObstacle({ runId }: Pick<Handshake, 'runId'>): Obstacle {
  if (runId !== '') return undefined;
  return (
    'it does not tell its run_id (INFO server), so that nobody could see that it has lost its memory. Use a server that does, ' +
    "or say quarantine: 'off'"
  );
}

/** One server must not vote twice, whatever its addresses are. */
export function twinObstacle(handshake: Pick<Handshake, 'runId'>, others: readonly Looked[]): Obstacle {
  const twin = twinOf(handshake, others);
  if (twin === undefined) return undefined;
  return `it is the same server as ${shorten(twin.node.address)}, under another address. Give every master once`;
}

/** A node that was looked at, or not yet. */
interface Looked {
  readonly node: { readonly address: string };
  readonly handshake: Pick<Handshake, 'runId'> | undefined;
}

/** That of the others which is the same server. One without a run_id can't be told from others. */
export function twinOf<Other extends Looked>(
  { runId }: Pick<Handshake, 'runId'>,
  others: readonly Other[],
): Other | undefined {
  return runId === '' ? undefined : others.find(({ handshake }) => handshake?.runId === runId);
}

/** Two majorities of differently long lists need not meet. A start that somebody began and gave up binds nobody. */
export function foreignObstacle(marker: Marker | undefined, nodeCount: number): Obstacle {
  if (marker === undefined || marker.state === 'starting' || marker.nodeCount === nodeCount) return undefined;
  return (
    `it is one of a quorum of ${marker.nodeCount}, and here are ${nodeCount}. Give all programs the same list of ` +
    'nodes; if the list has changed and no lock is held, call initialize()'
  );
}
