import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onProcessEnd } from '../../../fleet/last-resort.ts';
import { claimPort, releasePort } from '../../../fleet/ports.ts';
import { WallClock } from '../../../fleet/wall-clock.ts';
import { ContainerServer, NETWORK } from './container-server.ts';
import { type Engine, findEngine } from './engine.ts';
import { buildImage, IMAGE } from './image.ts';
import type { ServerFleet } from './server.ts';

const COMMAND = ['redis-server', '--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec'];

/** Servers in containers of a local image, each on a port of its own that outlives every fault. */
export async function startContainers(count: number): Promise<ServerFleet> {
  const engine = await findEngine();
  await buildImage(engine);
  const directory = await mkdtemp(join(tmpdir(), 'quorlock-containers-'));
  const started: ContainerServer[] = [];
  // No Ryuk looks after them: see engine.ts.
  const disarm = onProcessEnd(() => {
    removeNow(started);
    rmSync(directory, { recursive: true, force: true });
  });
  const close = async () => {
    await Promise.all(started.map((server) => remove(engine, server)));
    await rm(directory, { recursive: true, force: true });
    disarm();
  };
  const starts = Array.from({ length: count + 1 }, async (_, index) => {
    const server = await startOne(engine, directory, index);
    started.push(server);
    await server.ready();
    return server;
  });
  try {
    const servers = await Promise.all(starts);
    return {
      servers: servers.slice(0, count),
      spare: servers[count],
      abilities: new Set(['disk', 'clock', 'spare', 'network', 'host']),
      description: `${count} containers of ${IMAGE}`,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await Promise.allSettled(starts);
    await close();
    throw error;
  }
}

async function startOne(engine: Engine, directory: string, index: number): Promise<ContainerServer> {
  const { GenericContainer, Wait } = engine.testcontainers;
  const data = join(directory, `node-${index}`);
  const clocks = join(directory, `clock-${index}`);
  await Promise.all([mkdir(data), mkdir(clocks)]);
  const wallClock = await WallClock.create(join(clocks, 'wall-clock'));
  const environment = wallClock.environment();
  const { LD_PRELOAD: library = '' } = environment;
  const port = await claimPort();
  const { uid, gid } = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const container = await new GenericContainer(IMAGE)
    .withCommand(COMMAND)
    // What it writes can be removed by the user that runs this.
    .withUser(`${uid}:${gid}`)
    .withEnvironment(environment)
    // At the same paths as here, where the environment says they are.
    .withBindMounts([
      { source: data, target: '/data' },
      { source: clocks, target: clocks, mode: 'ro' },
      { source: dirname(library), target: dirname(library), mode: 'ro' },
    ])
    .withExposedPorts({ container: 6379, host: port })
    .withWaitStrategy(Wait.forListeningPorts())
    .start();
  return new ContainerServer({
    engine,
    id: container.getId(),
    port,
    network: NETWORK,
    wipe: async () => {
      const files = await readdir(data);
      await Promise.all(files.map((file) => rm(join(data, file), { recursive: true, force: true })));
    },
    wallClock,
  });
}

async function remove(engine: Engine, { id, port }: ContainerServer): Promise<void> {
  await engine.client.container.dockerode.getContainer(id).remove({ force: true, v: true });
  releasePort(port);
}

function removeNow(servers: readonly ContainerServer[]): void {
  if (servers.length === 0) return;
  try {
    execFileSync('docker', ['rm', '--force', '--volumes', ...servers.map(({ id }) => id)], {
      stdio: 'ignore',
    });
  } catch {
    // Nothing more can be done by a process at its end.
  }
}
