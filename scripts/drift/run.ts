import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Compiled } from '../support/compiled.ts';
import { Display } from '../support/display.ts';
import type { DriftArguments } from './arguments.ts';
import { measureAll } from './crew.ts';
import { csvOf } from './csv.ts';
import { planOf } from './plan.ts';
import { keyOf, type Measured } from './points.ts';
import { pageOf, sectionsOf } from './report/page.ts';
import { summaryOf } from './report/summary.ts';
import { textOf } from './report/terminal.ts';
import { COLUMNS, rowsOf } from './rows.ts';

/** Measures, and writes the report. Returns whether everything agrees with theory; undefined if the run was interrupted. */
export async function simulateDrift(
  { extent, seed, out }: DriftArguments,
  interrupt: AbortSignal,
  output: NodeJS.WriteStream,
): Promise<boolean | undefined> {
  using code = await Compiled.make(new URL('./worker.ts', import.meta.url));
  const points = planOf(extent);
  const found = new Map<string, Measured>();
  const total = points.reduce((sum, { trials }) => sum + trials, 0);
  let done = 0;
  output.write(`simulate:drift: ${points.length} points from seed ${seed}\n`);
  const display = new Display(output, () => ({
    share: done / total,
    text: `${done.toLocaleString('en')} of ${total.toLocaleString('en')} trials`,
  }));
  await measureAll({
    path: code.path,
    runSeed: seed,
    points,
    threads: availableParallelism(),
    interrupt,
    done: (measured) => {
      found.set(keyOf(measured.point), measured);
      done += measured.point.trials;
    },
  }).finally(() => display.stop());
  const results = points.flatMap((point) => found.get(keyOf(point)) ?? []);
  if (results.length < points.length) {
    output.write(`interrupted: ${results.length} of ${points.length} points are done\n`);
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
  mkdirSync(out, { recursive: true });
  writeFileSync(page, pageOf(sections, summary, { seed, command }));
  writeFileSync(join(out, 'results.csv'), csvOf(COLUMNS, results.flatMap(rowsOf)));
  output.write(`${textOf(sections, summary)}\n\nCharts: ${page}\nNumbers: ${join(out, 'results.csv')}\n`);
  return summary.differing.length === 0;
}
