// npm run release: publishes the version that package.json has, with a statement of where and from what it was built.
// Only CI can sign such a statement, so it runs there and nowhere else. CONTRIBUTING.md says what comes before.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './build/entries.mjs';

/** What GitHub Actions sets for a job with `id-token: write`, and GitLab for one with an `id_tokens` of that name. */
const SIGNERS = ['ACTIONS_ID_TOKEN_REQUEST_URL', 'SIGSTORE_ID_TOKEN'];

/** Why this version can't be published here and now; undefined if it can. */
function refusal() {
  if (!SIGNERS.some((name) => process.env[name])) {
    return `no provenance can be signed here: run it in CI, where ${SIGNERS.join(' or ')} is set`;
  }
  const pending = readdirSync(join(ROOT, '.changeset')).filter((file) => file.endsWith('.md'));
  if (pending.length > 0) return `not in the changelog yet: ${pending.join(', ')}. Run npx changeset version`;
  const changed = execFileSync('git', ['status', '--porcelain'], { cwd: ROOT, encoding: 'utf8' });
  return changed === '' ? undefined : `not committed:\n${changed}`;
}

const why = refusal();
if (why === undefined) {
  const run = (program, ...args) => execFileSync(program, args, { cwd: ROOT, stdio: 'inherit' });
  run('npm', 'test');
  run('npm', 'run', 'test:environments');
  // Does nothing where the registry has this version; else publishes it, and tags the commit.
  run('npx', '--no-install', 'changeset', 'publish');
} else {
  process.stderr.write(`release: ${why}\n`);
  process.exitCode = 1;
}
