import Table from 'cli-table3';
import { rowsOf } from './rows.ts';
import type { Verdict } from './verdict/verdict.ts';
import { percent } from './verdict/words.ts';

/** No colours, since it may go to a file. */
const PLAIN = { style: { head: [], border: [], compact: true } };

/** What came of one run, as a table. */
export function tableOf(verdict: Verdict): string {
  const table = new Table({ ...PLAIN, colAligns: ['left', 'right'] });
  table.push(...rowsOf(verdict).map(({ what, value }) => [what, value]));
  return table.toString();
}

/** What came of several runs: a row for every scenario. */
export function tableOfRuns(verdicts: readonly Verdict[]): string {
  const head = [
    'fault',
    'runs',
    'locks',
    'faults',
    'overlaps',
    'token faults',
    'lost, guarded',
    'lost, unguarded',
  ];
  const table = new Table({
    ...PLAIN,
    head: [...head, 'available', 'recovery', 'held'],
    colAligns: ['left', ...Array.from({ length: 10 }, () => 'right' as const)],
  });
  for (const scenario of new Set(verdicts.map(({ findings }) => findings.options.scenario))) {
    const own = verdicts.filter(({ findings }) => findings.options.scenario === scenario);
    const sum = (of: (verdict: Verdict) => number) => own.reduce((total, each) => total + of(each), 0);
    const recoveries = own.flatMap((each) => each.recoveries.map(({ afterMs }) => afterMs));
    table.push([
      scenario,
      own.length,
      sum(({ acquisitions }) => acquisitions),
      sum(({ findings }) => findings.incidents.length),
      sum(({ overlaps, validityOverlaps }) => overlaps.length + validityOverlaps.length),
      sum(({ tokenFaults }) => tokenFaults.length),
      `${sum(({ guarded }) => guarded.lost)} of ${sum(({ guarded }) => guarded.writes)}`,
      `${sum(({ unguarded }) => unguarded.lost)} of ${sum(({ unguarded }) => unguarded.writes)}`,
      percent(
        sum(({ availability }) => availability.served),
        sum(({ availability }) => availability.attempts),
      ),
      recoveries.length === 0 ? '-' : `${Math.round(Math.max(...recoveries))} ms`,
      own.every(({ broken }) => broken.length === 0) ? 'yes' : 'NO',
    ]);
  }
  return table.toString();
}
