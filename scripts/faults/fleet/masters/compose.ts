import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onProcessEnd } from '../../../fleet/last-resort.ts';
import { ContainerServer } from './container-server.ts';
import { findEngine, NoContainersError } from './engine.ts';
import { buildImage, IMAGE } from './image.ts';
import type { ServerFleet } from './server.ts';

const FILE = fileURLToPath(new URL('../../../../docker-compose.redis5.yml', import.meta.url));
const PROJECT = 'quorlock-chaos';

/** As the file publishes them. */
const FIRST_PORT = 7101;

/** As the file calls its services, with the project's name before it. */
const NETWORK = `${PROJECT}_default`;

const run = promisify(execFile);

/** The services of docker-compose.redis5.yml, as they are: without a disk, on the true clock. */
export async function startCompose(count: number): Promise<ServerFleet> {
  const engine = await findEngine();
  await buildImage(engine);
  const [program, words] = await composeCommand();
  const args = [...words, '--project-name', PROJECT, '--file', FILE];
  const env = { ...process.env, QUORLOCK_REDIS_IMAGE: IMAGE };
  const compose = (...more: readonly string[]) => run(program, [...args, ...more], { env });
  const disarm = onProcessEnd(() => {
    execFileSync(program, [...args, 'down'], { env, stdio: 'ignore' });
  });
  const close = async () => {
    await compose('down');
    disarm();
  };
  const serverAt = async (index: number) => {
    const { stdout } = await compose('ps', '--quiet', `redis-${index + 1}`);
    const server = new ContainerServer({
      ...{ engine, id: stdout.trim(), port: FIRST_PORT + index, network: NETWORK },
      ...{ wipe: async () => undefined, wallClock: undefined },
    });
    await server.ready();
    return server;
  };
  try {
    await compose('up', '-d');
    return {
      servers: await Promise.all(Array.from({ length: count }, (_, index) => serverAt(index))),
      spare: undefined,
      abilities: new Set(['network', 'host']),
      description: `the ${count} services of docker-compose.redis5.yml`,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The plugin, or the program that came before it. */
async function composeCommand(): Promise<readonly [program: string, args: readonly string[]]> {
  try {
    await run('docker', ['compose', 'version']);
    return ['docker', ['compose']];
  } catch {
    // There may be the other one.
  }
  try {
    await run('docker-compose', ['version']);
    return ['docker-compose', []];
  } catch (error) {
    throw new NoContainersError(
      'there is no `docker compose`: install docker-compose-plugin or docker-compose',
      { cause: error },
    );
  }
}
