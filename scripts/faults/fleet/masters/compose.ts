import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onProcessEnd } from '../../../fleet/last-resort.ts';
import type { Ability } from '../../plan.ts';
import { ContainerServer } from './container-server.ts';
import { findEngine, NoContainersError } from './engine.ts';
import { buildImage, IMAGE } from './image.ts';
import type { MasterServer, ServerFleet } from './server.ts';

const FILE = fileURLToPath(new URL('../../../../docker-compose.redis5.yml', import.meta.url));
const PROJECT = 'quorlock-chaos';

/** As the file publishes them. */
const FIRST_PORT = 7101;

/** As the file calls its services, with the project's name before it. */
const NETWORK = `${PROJECT}_default`;

const run = promisify(execFile);

/** The services of docker-compose.redis5.yml, as they are: without a disk, on the true clock. */
export class ComposeFleet implements ServerFleet {
  readonly servers: readonly MasterServer[];
  readonly spare = undefined;
  readonly abilities: ReadonlySet<Ability> = new Set(['network', 'host']);
  readonly description: string;
  readonly #close: () => Promise<void>;

  private constructor(servers: readonly MasterServer[], close: () => Promise<void>) {
    this.servers = servers;
    this.description = `the ${servers.length} services of docker-compose.redis5.yml`;
    this.#close = close;
  }

  static async start(count: number): Promise<ComposeFleet> {
    const engine = await findEngine();
    await buildImage(engine);
    const [program, args] = await composeCommand();
    const environment = { ...process.env, QUORLOCK_REDIS_IMAGE: IMAGE };
    const compose = (...words: readonly string[]) =>
      run(program, [...args, '--project-name', PROJECT, '--file', FILE, ...words], { env: environment });
    const disarm = onProcessEnd(() => {
      execFileSync(program, [...args, '--project-name', PROJECT, '--file', FILE, 'down'], {
        env: environment,
        stdio: 'ignore',
      });
    });
    const close = async () => {
      await compose('down');
      disarm();
    };
    try {
      await compose('up', '-d');
      const servers = await Promise.all(
        Array.from({ length: count }, async (_, index) => {
          const { stdout } = await compose('ps', '--quiet', `redis-${index + 1}`);
          const server = new ContainerServer({
            engine,
            id: stdout.trim(),
            port: FIRST_PORT + index,
            network: NETWORK,
            wipe: async () => undefined,
            wallClock: undefined,
          });
          await server.ready();
          return server;
        }),
      );
      return new ComposeFleet(servers, close);
    } catch (error) {
      await close();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
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
