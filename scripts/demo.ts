// The demo: real servers, processes that count up one number, and faults.
import { randomInt } from 'node:crypto';
import Table from 'cli-table3';
import { openScreen } from './demo/screens.ts';
import { describeChecks } from './faults/checks.ts';
import { runOnFleet } from './faults/fleet/run.ts';
import { termsOf } from './faults/fleet/terms.ts';
import type { Verdict } from './faults/fleet/verdict.ts';
import { milliseconds, PLAIN, rank } from './faults/fleet/words.ts';
import { optionsOf, runCommand, UsageError } from './support/arguments.ts';

const DEFAULT_SECONDS = 18;
const LONGEST_SECONDS = 3_600;

const MOST_DETAILS = 5;

/** Why a call got no lock, in words. */
const REFUSALS: Readonly<Record<string, string>> = {
  QUORLOCK_NO_QUORUM: 'no majority could vote',
  QUORLOCK_WAIT_TIMEOUT: 'held for all of waitTime',
  QUORLOCK_HELD: 'held',
  QUORLOCK_EXPIRED: 'granted too late',
};

const HELP = `Usage: npm start -- [options]

Five real Redis masters on this machine, and four processes of four callers each that contend for one lock.
Under it they increment a number in a shared file, while one master after another is killed, paused and
restarted, never more than two at once. At the end: was an update lost, did two holders overlap?

Options:
  --seconds N   how long the load lasts, from 1 to ${LONGEST_SECONDS}; default ${DEFAULT_SECONDS}
  --no-lock     the same without a lock: shows the lost updates that it prevents, and exits with 1
  --help        this text

Exit code: 0 if the lock held, 1 if not (or if the run itself failed), 2 for wrong arguments,
128 + the signal's number if interrupted.
`;

function parse(args: readonly string[]) {
  const values = optionsOf(args, { seconds: { type: 'string' }, 'no-lock': { type: 'boolean' } });
  const { seconds = String(DEFAULT_SECONDS), 'no-lock': withoutLock = false, help = false } = values;
  const parsed = Number(seconds);
  if (seconds.trim() === '' || !(parsed >= 1 && parsed <= LONGEST_SECONDS)) {
    throw new UsageError(`--seconds must be a number from 1 to ${LONGEST_SECONDS}: got "${seconds}"`);
  }
  return { seconds: parsed, locking: !withoutLock, help };
}

await runCommand({
  name: 'npm start --',
  help: HELP,
  parse,
  run: async ({ seconds, locking }, interrupt, output) => {
    const scenario = locking ? 'demo' : 'demo without a lock';
    const options = { scenario, seed: randomInt(2 ** 32), durationMs: seconds * 1_000 };
    const { nodes, workers, callersPerWorker, ttl } = termsOf(options);
    let screen: ReturnType<typeof openScreen> | undefined;
    const verdict = await runOnFleet(options, interrupt, (see) => {
      output.write(
        `${nodes} masters on ports ${see().ports.join(', ')}\n${workers} processes of ${callersPerWorker} callers, ` +
          `${locking ? `one lock with a ttl of ${ttl} ms` : 'and no lock'}, for ${seconds} s\n\n`,
      );
      screen = openScreen({ seconds, locking, see }, output);
    }).finally(() => screen?.stop());
    if (interrupt.aborted) {
      output.write(`Interrupted by ${interrupt.reason}; masters and workers have been stopped.\n`);
      return true;
    }
    const table = new Table({ ...PLAIN, colAligns: ['left', 'right'] });
    table.push(...rowsOf(verdict, locking));
    output.write(`${table.toString()}\n\n${sentenceOf(verdict, locking)}\n`);
    const refused = refusalsOf(verdict).get('QUORLOCK_NO_QUORUM') ?? 0;
    if (refused > 0) {
      output.write(
        `${refused} calls got no lock, and rightly: a majority of the nodes was down, or in quarantine after a restart. ` +
          'A node that may have forgotten a lock must not give it away.\n',
      );
    }
    const { findings } = verdict;
    // Without a lock there is nothing to be explained about overlaps.
    const details = locking
      ? describeChecks(verdict, findings.incidents, findings.startedAt, MOST_DETAILS)
      : [];
    for (const detail of [...findings.problems, ...details]) output.write(`  ${detail}\n`);
    return findings.problems.length === 0 && verdict.acquisitions > 0 && isWhole(verdict, locking);
  },
});

function isWhole({ unguarded, overlaps, tokenFaults }: Verdict, locking: boolean): boolean {
  return unguarded.lost === 0 && overlaps.length === 0 && (!locking || tokenFaults.length === 0);
}

function rowsOf(verdict: Verdict, locking: boolean): readonly [what: string, value: string][] {
  const { findings, unguarded, overlaps, tokenFaults } = verdict;
  const { attempts } = findings.history;
  const grants = attempts.flatMap(({ grant }) => grant ?? []);
  const waits = attempts
    .flatMap(({ grant, askedAt }) => (grant === undefined ? [] : grant.at - askedAt))
    .sort((a, b) => a - b);
  const killed = findings.incidents.filter(({ fault }) => fault.kind === 'kill empty').length;
  const faults = findings.incidents.length;
  return [
    ['acquisitions', `${grants.length}`],
    ['increments of the shared counter', `${unguarded.writes}`],
    ['extensions', `${grants.reduce((sum, { extensions }) => sum + extensions.length, 0)}`],
    ['faults injected', `${faults} (${killed} killed, ${faults - killed} paused)`],
    [
      'calls without a lock',
      [...refusalsOf(verdict)].map(([code, count]) => `${count}: ${REFUSALS[code] ?? code}`).join('\n') ||
        '0',
    ],
    ['locks lost in use', `${grants.filter(({ ended }) => ended?.how.startsWith('QUORLOCK_')).length}`],
    ['wait for the lock, median', milliseconds(rank(waits, 0.5))],
    ['99 of 100 waits are shorter than', milliseconds(rank(waits, 0.99))],
    ['lost updates', `${unguarded.lost}`],
    ['overlaps', `${overlaps.length}`],
    ['tokens out of order', locking ? `${tokenFaults.length}` : '-'],
  ];
}

/** How many calls got no lock, by the code of their error. */
function refusalsOf({ findings }: Verdict): ReadonlyMap<string, number> {
  const refusals = new Map<string, number>();
  for (const { refusal } of findings.history.attempts) {
    if (refusal !== undefined && refusal !== 'aborted')
      refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1);
  }
  return refusals;
}

function sentenceOf(verdict: Verdict, locking: boolean): string {
  const { findings, acquisitions, unguarded, overlaps, tokenFaults } = verdict;
  const inNumbers = `${unguarded.lost} of ${unguarded.writes} updates lost, ${overlaps.length} overlaps between holders`;
  if (findings.problems.length > 0) return 'The run itself failed, so it shows nothing:';
  if (acquisitions === 0) return 'No caller ever got the lock, so the run shows nothing.';
  if (!locking) {
    return isWhole(verdict, locking)
      ? 'No lock, and by chance no harm done.'
      : `Without a lock: ${inNumbers}.`;
  }
  if (!isWhole(verdict, locking))
    return `The lock did NOT hold: ${inNumbers}, ${tokenFaults.length} tokens out of order:`;
  return `The lock held: no update lost, no two holders at once, through ${findings.incidents.length} faults.`;
}
