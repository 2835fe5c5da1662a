import { ComposeFleet } from './compose.ts';
import { ContainerFleet } from './containers.ts';
import { ProcessFleet } from './processes.ts';
import type { ServerFleet } from './server.ts';

/** `compose`: the services of docker-compose.redis5.yml. */
export type FleetKind = 'processes' | 'containers' | 'compose';

/** Resolves when all these servers answer. */
export function startServers(kind: FleetKind, count: number): Promise<ServerFleet> {
  switch (kind) {
    case 'processes':
      return ProcessFleet.start(count);
    case 'containers':
      return ContainerFleet.start(count);
    case 'compose':
      return ComposeFleet.start(count);
  }
}
