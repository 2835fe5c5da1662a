import { startCompose } from './compose.ts';
import { startContainers } from './containers.ts';
import { startProcesses } from './processes.ts';
import type { ServerFleet } from './server.ts';

/** `compose`: the services of docker-compose.redis5.yml. Each resolves when all its servers answer. */
const STARTS = { processes: startProcesses, containers: startContainers, compose: startCompose } as const;

export type FleetKind = keyof typeof STARTS;

export function startServers(kind: FleetKind, count: number): Promise<ServerFleet> {
  return STARTS[kind](count);
}
