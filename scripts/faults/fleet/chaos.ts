import { join } from 'node:path';
import { Display } from '../../support/display.ts';
import { seedAfter } from '../../support/seeds.ts';
import type { FleetKind } from './masters/start.ts';
import { writeReport } from './report/report.ts';
import { runOnFleet, type SlotStatus } from './run.ts';
import { type RunOptions, replayOf, termsOf } from './terms.ts';
import type { Verdict } from './verdict.ts';
import { describeFailure, describeVerdict, tableOf, tableOfRuns, whyUnanswered } from './words.ts';

export interface ChaosArguments {
  /** Names of scenarios, one after the other. */
  readonly scenarios: readonly string[];
  readonly seeds: number;
  readonly seed: number;
  /** Undefined: as each scenario says. */
  readonly durationMs: number | undefined;
  readonly fleet: FleetKind;
  /** The folder of the report. */
  readonly out: string;
}

/** One run after the other, with a report of each. Returns whether all of them held. */
export async function chaos(
  { scenarios, seeds, seed, durationMs, fleet, out }: ChaosArguments,
  interrupt: AbortSignal,
  output: NodeJS.WriteStream,
): Promise<boolean> {
  const runs = scenarios.flatMap((scenario) =>
    Array.from(
      { length: seeds },
      (_, index): RunOptions => ({ scenario, seed: seedAfter(seed, index), durationMs, fleet }),
    ),
  );
  const totalMs = runs.reduce((sum, options) => sum + termsOf(options).durationMs, 0);
  output.write(
    `chaos: ${runs.length} ${runs.length === 1 ? 'run' : 'runs'} from seed ${seed}, ${Math.round(totalMs / 1_000)} s of faults\n`,
  );
  const verdicts: Verdict[] = [];
  for (const [index, options] of runs.entries()) {
    if (interrupt.aborted) break;
    output.write(`${replayOf(options)}\n`);
    const doneMs = runs.slice(0, index).reduce((sum, each) => sum + termsOf(each).durationMs, 0);
    const verdict = await watched(options, doneMs, totalMs, interrupt, output);
    // One that was cut short may have granted nothing yet, which is no failure.
    if (interrupt.aborted && verdict.acquisitions === 0) break;
    verdicts.push(verdict);
    output.write(`${describeVerdict(verdict)}\n`);
    const unanswered = whyUnanswered(verdict);
    if (unanswered !== undefined) output.write(`${unanswered}\n`);
    if (verdict.broken.length > 0) output.write(`${describeFailure(verdict)}\n`);
    const folder = runs.length === 1 ? out : join(out, `${options.scenario}-${options.seed}`);
    output.write(`${await writeReport(verdict, folder)}\n`);
  }
  const [only] = verdicts;
  if (only !== undefined) output.write(`${verdicts.length === 1 ? tableOf(only) : tableOfRuns(verdicts)}\n`);
  const broken = verdicts.filter((verdict) => verdict.broken.length > 0).length;
  output.write(
    broken === 0
      ? `Every promise held, through ${verdicts.reduce((sum, { findings }) => sum + findings.incidents.length, 0)} faults.\n`
      : `${broken} of ${verdicts.length} runs broke a promise, see above.\n`,
  );
  return broken === 0;
}

async function watched(
  options: RunOptions,
  doneMs: number,
  totalMs: number,
  interrupt: AbortSignal,
  output: NodeJS.WriteStream,
): Promise<Verdict> {
  let see: (() => SlotStatus) | undefined;
  const display = new Display(output, () => {
    const sight = see?.();
    return {
      share: (doneMs + Math.min(sight?.sinceMs ?? 0, sight?.durationMs ?? 0)) / totalMs,
      text: sight === undefined ? 'starting' : describeSight(sight),
    };
  });
  try {
    return await runOnFleet(options, interrupt, (how) => {
      see = how;
    });
  } finally {
    display.stop();
  }
}

const SIGNS = { voting: '●', quarantined: '◐', silent: '○' } as const;

function describeSight({ grants, incidents, states }: SlotStatus): string {
  const nodes = states.map((state) => (state === undefined ? ' ' : SIGNS[state])).join('');
  return `${nodes} ${grants} locks, ${incidents.length} faults; ${incidents.at(-1)?.what ?? ''}`;
}
