import { type FleetKind, NODE_COUNT } from '../terms.ts';
import { ProcessFleet } from './processes.ts';
import type { ServerFleet } from './server.ts';

/** Resolves when all servers answer. */
export async function startServers(kind: FleetKind, stop: AbortSignal): Promise<ServerFleet> {
  stop.throwIfAborted();
  if (kind === 'processes') return await ProcessFleet.start(NODE_COUNT);
  throw new Error('not there');
}
