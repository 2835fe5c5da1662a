// The tests, in two tiers. `npm test` is everything that must hold, in some minutes. `npm run test:long` is what takes
// longer, in named parts: see its --help. Both go on after a failure, so that one run tells everything, and end with one
// line: N passed, N failed. What a step says is shown where it failed.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, constants, setPriority, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const directory = mkdtempSync(join(tmpdir(), 'quorlock-test-'));

/* ---- What there is to run ---- */

/** A script of package.json, or one of its kind, that is passed or failed as a whole unless it counts. */
const script = (name, args = [], env = {}) => ({
  title: [name, ...args].join(' '),
  program: ['npm', 'run', '--silent', name, ...(args.length > 0 ? ['--', ...args] : [])],
  env,
});

/** A project of Vitest, counted test by test. */
const tests = (project, { args = [], env = {}, title = project } = {}) => ({ title, project, args, env });

/** One file after the other: where it is measured how long something takes, and on real servers in short supply of cores. */
const ONE_BY_ONE = '--no-file-parallelism';

/** How many files on real servers run at once: they mostly wait, and each has servers and ports of its own. */
const FLEET_LANES = `--maxWorkers=${Math.min(availableParallelism() + 2, 6)}`;

/** What is packed has been built by the step before, and npm does not build it again. */
const BUILT = { npm_config_ignore_scripts: 'true' };

/** What `npm test` runs that keeps a core busy: as many at once as there are cores, those that take longest first. */
const BUSY = [
  tests('simulation', { env: { QUORLOCK_CYCLES: '100000', QUORLOCK_TIER: 'short' } }),
  tests('unit'),
  // One after the other: they make what is published, and read it.
  [script('build'), script('check:package', [], BUILT), tests('package', { env: BUILT })],
  tests('conformance', { env: { QUORLOCK_CONFORMANCE_RUNS: '2000' } }),
  tests('browser'),
  script('lint'),
  script('types'),
  script('check:unused'),
];

/** What it runs beside that, all at once. It mostly waits, and is served first by the processors. */
const WAITING = [
  tests('engines'),
  tests('fleet', { args: [FLEET_LANES], env: { QUORLOCK_SAFETY: '1', QUORLOCK_TIER: 'short' } }),
  script('chaos', ['--seconds', '45', '--out', join(directory, 'chaos')]),
];

/** How many minutes `npm test` takes on the machine on which the minutes below were measured. */
const MINUTES_OF_NPM_TEST = 4;

/** How many minutes both tiers take together in CI, on a slow machine too; what npm installs comes on top. */
const MOST_MINUTES_OF_CI = 35;

/** The code that decides who holds a lock, as stryker.config.mjs has it. */
const DECIDING = ['src/membership', 'src/quorum', 'src/lock', 'src/waiting'];

/** The files of it that the last commit changed, the largest changes first, two at the most; or one that the commit chooses. */
function mutated() {
  const changed = git('diff', '--numstat', '--no-renames', '--diff-filter=d', 'HEAD~1', '--', ...DECIDING)
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([, , file]) => file?.endsWith('.ts'))
    .sort(([a], [b]) => Number(b) - Number(a))
    .map(([, , file]) => file);
  if (changed.length > 0) return changed.slice(0, 2);
  const files = DECIDING.flatMap((folder) =>
    readdirSync(join(root, folder)).map((file) => `${folder}/${file}`),
  ).sort();
  return [files[numberOf(commit()) % files.length]];
}

/** What git says; nothing where there is no repository, or not so much of its history. */
function git(...args) {
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return '';
  }
}

/** Tells one state of the project from others. */
function commit() {
  return git('rev-parse', 'HEAD') || readFileSync(join(root, 'package-lock.json'), 'utf8');
}

/** A number that a text chooses. */
function numberOf(text) {
  let number = 0;
  for (const character of text) number = (number * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
  return number;
}

/**
 * What `npm run test:long` runs, and for how many minutes on a machine with two cores and nothing else to do. Of rules, model and
 * conformance the minutes follow from the processor time that they took on one that many programs shared.
 */
const PARTS = {
  million: [4, [tests('simulation')]],
  conformance: [2, [tests('conformance', { env: { QUORLOCK_CONFORMANCE_RUNS: '20000' } })]],
  examples: [1, [tests('examples', { args: [ONE_BY_ONE] })]],
  nodes: [3, [script('test:nodes')]],
  safety: [
    8,
    [tests('fleet', { args: [ONE_BY_ONE, 'test/fleet/safety.test.ts'], env: { QUORLOCK_SAFETY: '20' } })],
  ],
  fleet: [8, [tests('fleet', { args: [ONE_BY_ONE], title: 'fleet, one file after the other' })]],
  chaos: [3, [tests('chaos', { args: [ONE_BY_ONE] })]],
  ...Object.fromEntries(
    [1, 2, 3].map((turn) => [
      `every-fault-${turn}`,
      [6, [script('chaos', ['--every-fault', '--out', join(directory, `faults-${turn}`)])]],
    ]),
  ),
  mutation: [
    10,
    [
      {
        title: 'mutation of what changed',
        program: ['npx', 'stryker', 'run', '--mutate', mutated().join(',')],
      },
    ],
  ],
  model: [7, [script('model')]],
  environments: [8, [script('test:environments')]],
  ...Object.fromEntries(
    [1, 2, 3, 4].map((part) => [`rules-${part}`, [4, [script('rules', ['--part', `${part}/4`])]]]),
  ),
};

/* ---- One step ---- */

/** How many characters of each failure are repeated at the end: its name, its message and the beginning of its stack. */
const LONGEST_FAILURE = 1_500;

/** What failed, in words. */
const failures = [];

const counts = { passed: 0, failed: 0, skipped: 0 };

/** What is told to end has this number of milliseconds for it. */
const LONGEST_END_MS = 20_000;

const running = new Set();

/** The run was told to end: nothing new begins. */
let isInterrupted = false;

/** Has what else runs here go first. Linux may share out its time between sessions, each of them with a priority of its own. */
function beModest(pid) {
  const { PRIORITY_BELOW_NORMAL } = constants.priority;
  setPriority(pid, PRIORITY_BELOW_NORMAL);
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(PRIORITY_BELOW_NORMAL));
  } catch {
    // There are no such shares here.
  }
}

/** Runs a program to its end, or to the moment at which its time is over. Resolves with its exit code and all that it said. */
function run([program, ...args], { env, isModest }, untilMs) {
  return new Promise((resolve) => {
    const said = [];
    const child = spawn(program, args, {
      cwd: root,
      // Test runners leave caches in the folder for temporary files: they go with this one.
      env: { ...process.env, ...env, TMPDIR: directory },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    running.add(child);
    if (isModest && child.pid !== undefined) beModest(child.pid);
    let isStopped = false;
    let timer;
    const stop = () => {
      process.kill(-child.pid, isStopped ? 'SIGKILL' : 'SIGTERM');
      isStopped = true;
      timer = setTimeout(stop, LONGEST_END_MS);
    };
    if (Number.isFinite(untilMs)) timer = setTimeout(stop, Math.max(0, untilMs - Date.now()));
    const done = (code) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ code, isStopped, text: Buffer.concat(said).toString() });
    };
    child.stdout.on('data', (chunk) => said.push(chunk));
    child.stderr.on('data', (chunk) => said.push(chunk));
    child.on('error', (error) => {
      said.push(Buffer.from(String(error)));
      done(1);
    });
    child.on('close', done);
  });
}

/** The names of a report's failed tests, each with the beginning of its message. */
function failuresOf({ testResults }) {
  return testResults.flatMap(({ name, message, assertionResults }) => {
    const file = relative(root, name);
    const failed = assertionResults.filter(({ status }) => status === 'failed');
    if (failed.length === 0) return message ? [`${file}: ${message}`] : [];
    return failed.map(
      ({ fullName, failureMessages }) => `${file}: ${fullName}\n${failureMessages.join('\n')}`,
    );
  });
}

/** What a step of Vitest has found. What fails outside of a test counts as one more failure. */
function countTests({ title }, report, succeeded) {
  let found = { passed: 0, failed: 0, skipped: 0 };
  const words = [];
  try {
    const results = JSON.parse(readFileSync(report, 'utf8'));
    const { numPassedTests, numFailedTests, numPendingTests } = results;
    found = { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests };
    words.push(...failuresOf(results));
  } catch {
    // The runner ended before it could report; that is a failure of its own.
  }
  if (succeeded || found.failed > 0) return { ...found, words };
  return { ...found, failed: 1, words: [...words, `the runner of ${title}`] };
}

/** What a script has found: its own count, if its last line is one. */
function countScript({ title }, text, succeeded) {
  const [, passed, failed] =
    /^(\d+) passed, (\d+) failed$/m.exec(text.trimEnd().split('\n').at(-1) ?? '') ?? [];
  const own = passed === undefined ? undefined : { passed: Number(passed), failed: Number(failed) };
  const found = own ?? { passed: succeeded ? 1 : 0, failed: succeeded ? 0 : 1 };
  if (succeeded) return { ...found, skipped: 0, words: [] };
  return { ...found, failed: Math.max(1, found.failed), skipped: 0, words: [`npm run ${title}`] };
}

let reports = 0;

async function perform(step, workers, { untilMs = Number.POSITIVE_INFINITY, isModest = false } = {}) {
  if (isInterrupted) return;
  const startedAt = Date.now();
  reports += 1;
  const report = join(directory, `${reports}.json`);
  const vitest = [
    join('node_modules', '.bin', 'vitest'),
    ...[
      'run',
      '--project',
      step.project,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ],
    ...(step.args?.some((arg) => arg === ONE_BY_ONE || arg === FLEET_LANES)
      ? []
      : [`--maxWorkers=${workers}`]),
    ...(step.args ?? []),
  ];
  const { code, isStopped, text } = await run(step.program ?? vitest, { env: step.env, isModest }, untilMs);
  const seconds = `${Math.round((Date.now() - startedAt) / 1_000)} s`;
  if (isStopped) {
    console.log(`– ${step.title}: its time was over after ${seconds}`);
    return;
  }
  const found =
    step.project === undefined ? countScript(step, text, code === 0) : countTests(step, report, code === 0);
  if (found.failed > 0) console.log(`\n── ${step.title}\n${text}`);
  const skipped = found.skipped > 0 ? `, ${found.skipped} skipped` : '';
  console.log(
    `${found.failed > 0 ? '✗' : '✓'} ${step.title}: ${found.passed} passed, ${found.failed} failed${skipped}, ${seconds}`,
  );
  for (const name of Object.keys(counts)) counts[name] += found[name];
  failures.push(...found.words);
}

/** Runs steps in lanes, each the next one that no other has begun. */
async function inLanes(steps, lanes, options) {
  const rest = [...steps];
  const lane = async () => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
      for (const step of [next].flat()) await perform(step, 1, options);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/* ---- The two tiers ---- */

const HELP = `Usage: npm run test:long -- [options]

What npm test leaves out because it takes too long, in parts. Without options: all of them, which takes hours.

Options:
  --part NAME    this part alone; may be given several times
  --from TEXT    begins at a part that this text chooses, as a commit's hash does; the others follow
  --minutes N    only parts that end within this number of minutes
  --list         says which parts there are, and how many minutes each takes
  --help         this text

Exit code: 0 if everything passed, 1 if not, 2 for wrong arguments.
`;

function stop(message) {
  process.stderr.write(`${message}\nSee npm run test:long -- --help\n`);
  process.exit(2);
}

function parseLong(args) {
  try {
    const options = {
      long: { type: 'boolean' },
      part: { type: 'string', multiple: true },
      from: { type: 'string' },
      minutes: { type: 'string' },
      list: { type: 'boolean' },
      help: { type: 'boolean' },
    };
    return parseArgs({ args, options }).values;
  } catch (error) {
    return stop(error.message);
  }
}

/** The names of the parts, the first one chosen by the text. */
function partsFrom(text) {
  const names = Object.keys(PARTS);
  const first = numberOf(text) % names.length;
  return [...names.slice(first), ...names.slice(0, first)];
}

/** What npm test has counted in this run of CI, and how long it took. */
const { QUORLOCK_COUNTS: countsFile } = process.env;

function earlier() {
  try {
    return JSON.parse(readFileSync(countsFile ?? '', 'utf8'));
  } catch {
    return undefined;
  }
}

async function long({ part: parts, from, minutes, list, help }) {
  if (help) return void process.stdout.write(HELP);
  if (list)
    return void console.log(
      Object.entries(PARTS)
        .map(([name, [takes]]) => `${name.padEnd(16)}${takes} min`)
        .join('\n'),
    );
  const stray = parts?.find((name) => !Object.hasOwn(PARTS, name));
  if (stray !== undefined) stop(`there is no part ${stray}: there are ${Object.keys(PARTS).join(', ')}`);
  if (minutes !== undefined && !(Number(minutes) > 0))
    stop(`--minutes must be a number above 0: got "${minutes}"`);
  const before = earlier();
  const pace = Math.max(1, (before?.minutes ?? 0) / MINUTES_OF_NPM_TEST);
  const most = Math.min(
    Number(minutes ?? Number.POSITIVE_INFINITY),
    MOST_MINUTES_OF_CI - (before?.minutes ?? 0),
  );
  const untilMs = minutes === undefined ? Number.POSITIVE_INFINITY : Date.now() + most * 60_000;
  for (const name of parts ?? partsFrom(from ?? commit())) {
    const [takes, steps] = PARTS[name];
    if (Date.now() + takes * pace * 60_000 > untilMs) continue;
    console.log(`\n${name}, about ${Math.ceil(takes * pace)} min`);
    for (const step of steps) await perform(step, availableParallelism(), { untilMs });
  }
  for (const name of Object.keys(counts)) counts[name] += before?.[name] ?? 0;
}

async function short() {
  const startedAt = Date.now();
  await Promise.all([
    inLanes(WAITING, WAITING.length),
    inLanes(BUSY, availableParallelism(), { isModest: true }),
  ]);
  const minutes = (Date.now() - startedAt) / 60_000;
  if (countsFile !== undefined) writeFileSync(countsFile, JSON.stringify({ ...counts, minutes }));
}

function tell() {
  for (const failure of failures) console.log(`\nFailed: ${failure.slice(0, LONGEST_FAILURE)}`);
  if (counts.skipped > 0) console.log(`\n${counts.skipped} skipped`);
  console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
  process.exitCode = isInterrupted ? 130 : counts.failed === 0 ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    isInterrupted = true;
    for (const { pid } of running) process.kill(-pid, signal);
  });
}

try {
  const options = parseLong(process.argv.slice(2));
  await (options.long ? long(options) : short());
  if (!options.list && !options.help) tell();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
