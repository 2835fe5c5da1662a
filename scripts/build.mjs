// Builds dist/: compiles the TypeScript, and puts the Lua scripts into it.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Has the module that reads a folder's scripts hold them instead: beside a bundled program there are no files. */
function holdScripts(folder) {
  const lua = join(root, 'src', folder, 'lua');
  const files = readdirSync(lua).filter((file) => file.endsWith('.lua'));
  const texts = files.map((file) => [basename(file, '.lua'), readFileSync(join(lua, file), 'utf8')]);
  const module = join(root, 'dist', folder, 'lua-files.js');
  const code = [
    `const TEXTS = ${JSON.stringify(Object.fromEntries(texts), undefined, 2)};`,
    '/** The text of a Lua script. */',
    'export function textOf(name) {',
    '    return TEXTS[name];',
    '}\n',
  ];
  // Throws if the compiler wrote no such module: nothing would read what stood there instead.
  rmSync(module);
  writeFileSync(module, code.join('\n'));
}

rmSync(join(root, 'dist'), { recursive: true, force: true });
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status === 0) {
  for (const folder of ['wire', 'fencing']) holdScripts(folder);
}
process.exitCode = status ?? 1;
