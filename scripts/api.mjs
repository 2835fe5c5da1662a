// npm run api: what a program can import, entry by entry, beside what test/package/api/ says; -- --accept writes it there.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { extract, withDeclarations } from './build/declarations.mjs';
import { ENTRIES, ROOT } from './build/entries.mjs';

const accept = process.argv.includes('--accept');
const known = join(ROOT, 'test', 'package', 'api');

withDeclarations((folder) => {
  const found = join(folder, 'api');
  mkdirSync(found);
  for (const { name, path } of ENTRIES) {
    const apiReport = {
      enabled: true,
      includeForgottenExports: true,
      reportFileName: `${name}.api.md`,
      reportFolder: known,
      reportTempFolder: found,
    };
    const isChanged = extract(folder, `${path}.d.ts`, { apiReport, accept });
    if (!isChanged || accept) continue;
    process.exitCode = 1;
    console.log(`what ${name} exports has changed; if it is to, npm run api -- --accept`);
    const files = [join(known, `${name}.api.md`), join(found, `${name}.api.md`)];
    spawnSync('git', ['--no-pager', 'diff', '--no-index', ...files], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  }
});
