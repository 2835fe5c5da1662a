import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { findServerBinary } from '../../../fleet/binary.ts';
import { type Engine, NoContainersError } from './engine.ts';

/** The image that all containers of a run have. */
export const IMAGE = 'quorlock-chaos-redis:local';

/** What the shell of the image has to know: for its start, and for the health check of the compose file. */
const SHELL_WORDS = ['sh', 'cat', 'grep', 'sleep'];

const ENTRYPOINT = `#!/bin/sh
case "\${1-}" in ''|-*) set -- redis-server "$@";; esac
if [ "$1" = redis-server ]; then shift; set -- redis-server --bind 0.0.0.0 --protected-mode no "$@"; fi
exec "$@"
`;

const DOCKERFILE = `FROM scratch
COPY root/ /
ENV PATH=/usr/bin
WORKDIR /data
EXPOSE 6379
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["redis-server", "--save", "", "--appendonly", "no"]
`;

/** Makes the image out of this machine's own server, so that nothing has to come from a registry. */
export async function buildImage({ testcontainers }: Engine): Promise<void> {
  const context = await mkdtemp(join(tmpdir(), 'quorlock-image-'));
  try {
    const root = join(context, 'root');
    const programs = [
      [findServerBinary(), 'redis-server'],
      [whereIs('redis-cli', 'redis-tools'), 'redis-cli'],
      [whereIs('busybox', 'busybox-static'), 'busybox'],
    ] as const;
    for (const [path, name] of programs) await install(path, join(root, 'usr/bin', name));
    for (const library of librariesOf(programs.map(([path]) => path))) {
      await install(library, join(root, library));
    }
    for (const word of SHELL_WORDS) await symlink('busybox', join(root, 'usr/bin', word));
    await symlink('usr/bin', join(root, 'bin'));
    const entrypoint = join(root, 'usr/bin/docker-entrypoint.sh');
    await writeFile(entrypoint, ENTRYPOINT);
    await chmod(entrypoint, 0o755);
    for (const folder of ['data', 'tmp']) {
      await mkdir(join(root, folder));
      await chmod(join(root, folder), 0o777);
    }
    await writeFile(join(context, 'Dockerfile'), DOCKERFILE);
    await testcontainers.GenericContainer.fromDockerfile(context).build(IMAGE, { deleteOnExit: false });
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

async function install(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await copyFile(from, to);
  await chmod(to, 0o755);
}

function whereIs(program: string, debianPackage: string): string {
  try {
    return execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim();
  } catch (error) {
    throw new NoContainersError(
      `the image needs ${program}: install it, for example with "apt-get install ${debianPackage}"`,
      { cause: error },
    );
  }
}

/** Every shared object that the programs need, where their loader looks for it. */
function librariesOf(programs: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  for (const program of programs) {
    let text = '';
    try {
      text = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    } catch {
      // One that is linked statically needs none.
      if (basename(program) !== 'busybox') throw new Error(`ldd can not read ${program}`);
    }
    for (const [path] of text.matchAll(/\/\S*\.so\S*/g)) found.add(path);
  }
  return found;
}
