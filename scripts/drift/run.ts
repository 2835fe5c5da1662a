import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Compiled } from '../support/compiled.ts';
import { Display } from '../support/display.ts';
import type { DriftArguments } from './arguments.ts';
import { measureAll } from './crew.ts';
import { csvOf } from './csv.ts';
import { planOf } from './plan.ts';
import type { Measured } from './points.ts';
import { Progress } from './progress.ts';
import { pageOf, sectionsOf } from './report/page.ts';
import { summaryOf } from './report/summary.ts';
import { textOf } from './report/terminal.ts';
import { ResultsFile } from './results-file.ts';
import { COLUMNS, rowsOf } from './rows.ts';

/**
 * Measures what is not known yet, and writes the report. Returns whether everything agrees with theory; undefined if
 * the run was interrupted.
 */
export async function simulateDrift(
  { extent, seed, out, fresh }: DriftArguments,
  interrupt: AbortSignal,
  output: NodeJS.WriteStream,
): Promise<boolean | undefined> {
  using code = await Compiled.make(new URL('./worker.ts', import.meta.url));
  const file = new ResultsFile(join(out, 'results.jsonl'), { seed, code: code.id }, { fresh });
  const plan = planOf(extent);
  const points = plan.filter((point) => file.resultOf(point) === undefined);
  const progress = new Progress(sumOfTrials(plan), () => performance.now());
  progress.skip(sumOfTrials(plan) - sumOfTrials(points));
  const known = plan.length - points.length;
  output.write(
    `simulate:drift: ${plan.length} points from seed ${seed}${known > 0 ? `, ${known} of them known from before` : ''}\n`,
  );
  const display = new Display(output, () => progress);
  await measureAll({
    path: code.path,
    runSeed: seed,
    points,
    threads: availableParallelism(),
    interrupt,
    done: (measured) => {
      file.add(measured);
      progress.add(measured.point.trials);
    },
  }).finally(() => display.stop());
  const results = plan.map((point) => file.resultOf(point)).filter((result) => result !== undefined);
  if (results.length < plan.length) {
    output.write(
      `interrupted: ${results.length} of ${plan.length} points are done; the same command goes on from there\n`,
    );
    return undefined;
  }
  return report(results, { extent, seed, out }, output);
}

function report(
  results: readonly Measured[],
  { extent, seed, out }: Pick<DriftArguments, 'extent' | 'seed' | 'out'>,
  output: NodeJS.WriteStream,
): boolean {
  const sections = sectionsOf(results);
  const summary = summaryOf(results);
  const command = `npm run simulate:drift -- --seed ${seed}${extent === 'quick' ? ' --quick' : ''}`;
  const page = join(out, 'index.html');
  writeFileSync(page, pageOf(sections, summary, { seed, command }));
  writeFileSync(join(out, 'results.csv'), csvOf(COLUMNS, results.flatMap(rowsOf)));
  output.write(`${textOf(sections, summary)}\n\nCharts: ${page}\nNumbers: ${join(out, 'results.csv')}\n`);
  return summary.differing.length === 0;
}

function sumOfTrials(points: readonly { readonly trials: number }[]): number {
  return points.reduce((sum, { trials }) => sum + trials, 0);
}
