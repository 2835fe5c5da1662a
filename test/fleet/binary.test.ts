import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findServerBinaries, findServerBinary, nameServer } from '../../scripts/fleet/binary.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quorlock-binary-'));
});

afterAll(() => rm(directory, { recursive: true }));

/** A program that answers as a server does when it is asked for its version. */
async function fakeServer(name: string, version: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, `#!/bin/sh\necho '${version} malloc=libc bits=64'\n`);
  await chmod(path, 0o755);
  return path;
}

describe('finding all servers', () => {
  test('takes one of each name, then those that QUORLOCK_SERVERS lists, and none twice', async () => {
    const redis = await fakeServer('redis-server', 'Redis server v=7.0.15');
    const valkey = await fakeServer('valkey-server', 'Valkey server v=8.1.1');
    const old = await fakeServer('old-server', 'Redis server v=6.2.14');
    const again = join(directory, 'again');
    await symlink(redis, again);
    const environment = { PATH: directory, QUORLOCK_SERVERS: [again, old].join(delimiter) };

    expect(findServerBinaries(environment)).toEqual([redis, valkey, old]);
    expect(findServerBinaries({ ...environment, QUORLOCK_REDIS_SERVER: valkey })).toEqual([
      valkey,
      again,
      old,
    ]);
    expect(findServerBinary(environment)).toBe(redis);
  });

  test('says which of the list is no program', () => {
    expect(() => findServerBinaries({ QUORLOCK_SERVERS: '/no/such/server' })).toThrow(
      'QUORLOCK_SERVERS lists "/no/such/server", which is not an executable file',
    );
  });

  test('names a server by what it says of itself', async () => {
    expect(nameServer(await fakeServer('named', 'Valkey server v=8.1.1 sha=0'))).toBe('valkey 8.1.1');
    const other = await fakeServer('other', 'dash 0.5');
    expect(() => nameServer(other)).toThrow(`${other} is no Redis server: its version is "dash 0.5 malloc`);
  });
});
