// npm run check:package: packs what would be published, into a temporary folder, and has two linters read it.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'quorlock-pack-'));
try {
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root, stdio: 'inherit' });
  const packed = readdirSync(folder).map((file) => join(folder, file));
  const checks = [
    ['publint', 'run', ...packed],
    ['attw', ...packed, '--format', 'ascii'],
  ];
  const failed = checks.filter(
    (check) => spawnSync('npx', ['--no-install', ...check], { cwd: root, stdio: 'inherit' }).status !== 0,
  );
  process.exitCode = failed.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
