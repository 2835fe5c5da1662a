// `npm test`: everything that must hold, one step after the other, and one closing line: N passed, N failed.
// Steps go on after a failure, so that one run tells everything; what failed is said again at the end, where it is read.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Of each failure so many characters are repeated: its name, its message and the beginning of its stack. */
const LONGEST_FAILURE = 1_500;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const directory = mkdtempSync(join(tmpdir(), 'quorlock-test-'));

/** Runs a program, its output shown. Returns whether it succeeded. */
function run(program, ...args) {
  console.log(`\n── ${program} ${args.join(' ')}`);
  return spawnSync(program, args, { cwd: root, stdio: 'inherit' }).status === 0;
}

/** What failed, in words. */
const failures = [];

/** One script of package.json that is passed or failed as a whole. */
function check(script) {
  if (run('npm', 'run', '--silent', script)) return { passed: 1, failed: 0 };
  failures.push(`npm run ${script}`);
  return { passed: 0, failed: 1 };
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

/** A project of tests, counted test by test. What fails outside of a test counts as one more failure. */
function tests(project, ...options) {
  const report = join(directory, `${project}.json`);
  const succeeded = run(
    join('node_modules', '.bin', 'vitest'),
    'run',
    ...options,
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  );
  let counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    const results = JSON.parse(readFileSync(report, 'utf8'));
    const { numPassedTests, numFailedTests, numPendingTests } = results;
    counts = { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests };
    failures.push(...failuresOf(results));
  } catch {
    // The runner ended before it could report; that is a failure of its own.
  }
  const unaccounted = !succeeded && counts.failed === 0 ? 1 : 0;
  if (unaccounted > 0) failures.push(`the runner of the project '${project}'`);
  return { ...counts, failed: counts.failed + unaccounted };
}

try {
  const results = [
    check('lint'),
    check('types'),
    check('check:unused'),
    check('build'),
    check('check:package'),
    tests('unit'),
    tests('engines'),
    tests('package'),
    tests('conformance'),
    tests('simulation'),
    tests('browser'),
    tests('examples', '--no-file-parallelism'),
    tests('chaos', '--no-file-parallelism'),
    // One file after the other: nodes that wait for a core look like nodes that hang.
    tests('fleet', '--no-file-parallelism'),
  ];
  const sum = (name) => results.reduce((total, result) => total + (result[name] ?? 0), 0);
  const skipped = sum('skipped');
  for (const failure of failures) console.log(`\nFailed: ${failure.slice(0, LONGEST_FAILURE)}`);
  if (skipped > 0) console.log(`\n${skipped} skipped`);
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed`);
  process.exitCode = sum('failed') === 0 ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
