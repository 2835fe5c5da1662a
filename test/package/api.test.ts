import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

it('what a program can import is what test/package/api/ says: npm run api -- --accept writes a change there', async () => {
  const checked = promisify(execFile)(process.execPath, [join(root, 'scripts/api.mjs')], { cwd: root });
  expect(await checked.catch(({ stdout }: { stdout: string }) => ({ stdout }))).toMatchObject({ stdout: '' });
});

it('a version is not published where its provenance can not be signed', async () => {
  const env = { ...process.env, ACTIONS_ID_TOKEN_REQUEST_URL: '', SIGSTORE_ID_TOKEN: '' };
  const released = promisify(execFile)(process.execPath, [join(root, 'scripts/release.mjs')], { env });
  await expect(released).rejects.toThrow('no provenance can be signed here');
});
