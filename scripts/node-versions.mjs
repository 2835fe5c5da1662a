// Runs the same simulations on several versions of Node.js, and compares what they tell: npm run test:nodes
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { DRIVERS, ROOT } from './build/entries.mjs';

const VERSIONS = ['20', '22', '24', '26'];
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 42];
const LOCKS_A_RUN = 200;

const folder = mkdtempSync(join(tmpdir(), 'quorlock-nodes-'));
try {
  const entry = `
    import { drawMix } from './scripts/faults/simulator/mix.ts';
    import { run } from './scripts/faults/simulator/run.ts';
    for (const seed of ${JSON.stringify(SEEDS)}) {
      await run(drawMix(seed, 'none', ${LOCKS_A_RUN}), (line) => process.stdout.write(line + '\\n'));
    }`;
  await build({
    stdin: { contents: entry, resolveDir: ROOT, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: DRIVERS,
    outfile: join(folder, 'simulate.mjs'),
    logLevel: 'error',
  });
  // The scripts are read from beside the code.
  cpSync(join(ROOT, 'src', 'wire', 'lua'), join(folder, 'lua'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  const packages = VERSIONS.map(
    (version) => `node-${version}@npm:node-${process.platform}-${process.arch}@${version}`,
  );
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages, 'ioredis'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const stories = VERSIONS.map((version) => {
    const node = join(folder, 'node_modules', `node-${version}`, 'bin', 'node');
    const exact = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    const story = execFileSync(node, ['simulate.mjs'], { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 30 });
    const hash = createHash('sha256').update(story).digest('hex');
    console.log(`Node.js ${exact}: ${story.split('\n').length} lines, sha256 ${hash}`);
    return hash;
  });
  const isSame = new Set(stories).size === 1;
  console.log(isSame ? 'every version tells the same' : 'they differ');
  process.exitCode = isSame ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
