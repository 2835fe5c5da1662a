// The documentation as a site: npm run docs -- --help
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writePages } from './site/pages.ts';
import { optionsOf, runCommand } from './support/arguments.ts';

const HELP = `Usage: npm run docs -- [options]

Makes the documentation a site, in both languages, with a search of its own. The first run installs VitePress into the
folder site, which nothing else needs.

Options:
  --serve   serves the site on this machine, and says where, until Ctrl-C
  --help    this text

Exit code: 0 if the site was made, 1 if not, 2 for wrong arguments.
`;

const root = fileURLToPath(new URL('../', import.meta.url));
const site = join(root, 'site');

/** Runs a program in the folder of the site, its output shown. */
function run(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { cwd: site, stdio: 'inherit' }).status === 0;
}

function make(serve: boolean): boolean {
  if (!existsSync(join(site, 'node_modules')) && !run('npm', 'ci', '--no-audit', '--no-fund')) return false;
  writePages(root, join(site, 'pages'));
  const vitepress = join(site, 'node_modules', 'vitepress', 'bin', 'vitepress.js');
  if (!run(process.execPath, vitepress, 'build')) return false;
  console.log(`\nThe site: ${join(site, 'dist')}`);
  return !serve || run(process.execPath, vitepress, 'preview');
}

await runCommand({
  name: 'npm run docs --',
  help: HELP,
  parse: (args) => {
    const { serve = false, help = false } = optionsOf(args, { serve: { type: 'boolean' } });
    return { serve, help };
  },
  run: async ({ serve }) => make(serve),
});
