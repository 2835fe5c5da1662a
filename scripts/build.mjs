// Builds dist/: compiles the TypeScript and puts the Lua scripts beside it.
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
rmSync(join(root, 'dist'), { recursive: true, force: true });
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status === 0) {
  for (const folder of ['wire/lua', 'fencing/lua']) {
    cpSync(join(root, 'src', folder), join(root, 'dist', folder), {
      recursive: true,
      filter: (path) => statSync(path).isDirectory() || path.endsWith('.lua'),
    });
  }
}
process.exitCode = status ?? 1;
