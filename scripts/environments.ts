// npm run test:environments: the packed package in projects outside of the repository, in every environment that it is
// for; -- NAME … runs those whose name has one of these words. Prints a table, and fails if a row does.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';
import { ENVIRONMENTS, type Environment } from './environments/environments.ts';
import { Project } from './environments/project.ts';
import { Fleet } from './fleet/fleet.ts';

interface Row {
  readonly environment: string;
  readonly what: string;
  readonly seconds: number;
  readonly remark: string;
  readonly failure: string | undefined;
}

const HELP = `Usage: npm run test:environments -- [NAME…]

The packed package in projects outside of the repository, on real servers. With names, only the environments that have
one of these words in theirs. Needs npm, and downloads what it installs.

Environments:
${ENVIRONMENTS.map(({ name }) => `  ${name}\n`).join('')}
Exit code: 0 if all of them work, 1 if not, 2 for wrong arguments.
`;

const words = process.argv.slice(2).map((word) => word.toLowerCase());
if (words.includes('--help')) {
  process.stdout.write(HELP);
  process.exit();
}
const wanted = ENVIRONMENTS.filter(
  ({ name }) => words.length === 0 || words.some((word) => name.toLowerCase().includes(word)),
);

if (wanted.length === 0) {
  process.stderr.write(
    `no environment is named like ${words.join(' or ')}\nSee npm run test:environments -- --help\n`,
  );
  process.exit(2);
}

const packed = mkdtempSync(join(tmpdir(), 'quorlock-packed-'));
try {
  execFileSync('npm', ['pack', '--silent', '--pack-destination', packed], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [file = ''] = readdirSync(packed);
  await using fleet = await Fleet.start(3);
  const rows: Row[] = [];
  for (const environment of wanted) {
    for (const row of await rowsOf(environment, join(packed, file), fleet.urls)) {
      rows.push(row);
    }
  }
  process.stdout.write(`\n${tableOf(rows)}\n`);
  const failed = rows.filter(({ failure }) => failure !== undefined);
  for (const { environment, what, failure } of failed) console.log(`\n${environment}: ${what}\n${failure}`);
  console.log(`\n${rows.length - failed.length} passed, ${failed.length} failed`);
  process.exitCode = failed.length === 0 ? 0 : 1;
} finally {
  rmSync(packed, { recursive: true, force: true });
}

async function rowsOf(
  environment: Environment,
  file: string,
  nodes: readonly string[],
): Promise<readonly Row[]> {
  const { name, packages, files, steps, driver = 'ioredis' } = environment;
  using project = new Project(files, { QUORLOCK_NODES: nodes.join(' ') });
  const drivers = driver === 'none' ? [] : [driver];
  const install = {
    what: 'npm install',
    run: () => project.install([file, ...drivers, ...packages]).then(() => ''),
  };
  const rows: Row[] = [];
  for (const { what, run } of [install, ...steps]) {
    const before = performance.now();
    const { remark, failure } = await run(project).then(
      (said) => ({ remark: said, failure: undefined }),
      (error: Error) => ({ remark: '', failure: error.message }),
    );
    const seconds = (performance.now() - before) / 1_000;
    rows.push({ environment: name, what, seconds, remark, failure });
    console.log(`${failure === undefined ? 'ok  ' : 'FAIL'} ${name}: ${what}${remark && `, ${remark}`}`);
    if (what === install.what && failure !== undefined) break;
  }
  return rows;
}

function tableOf(rows: readonly Row[]): string {
  const table = new Table({
    head: ['environment', 'what', 's', '', ''],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'left', 'right', 'left', 'left'],
  });
  for (const { environment, what, seconds, remark, failure } of rows) {
    table.push([environment, what, seconds.toFixed(1), remark, failure === undefined ? 'ok' : 'FAILED']);
  }
  return table.toString();
}
