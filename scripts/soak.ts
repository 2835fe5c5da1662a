// Chaos and short runs at random for as long as they are given.
import { resolve } from 'node:path';
import { chaos } from './faults/fleet/chaos.ts';
import { runOnFleet } from './faults/fleet/run.ts';
import { replayOf } from './faults/fleet/terms.ts';
import type { Verdict } from './faults/fleet/verdict.ts';
import { describeFailure, describeVerdict, detailsOf, tableOfRuns } from './faults/fleet/words.ts';
import { SAFETY } from './faults/scenarios.ts';
import { optionsOf, positive, runCommand, seedOf, UsageError } from './support/arguments.ts';
import { Display } from './support/display.ts';
import { seedAfter } from './support/seeds.ts';

const DEFAULT_MINUTES = 10;
const DEFAULT_FOLDER = 'chaos-report';

/** The mode that is one long run. */
const CHAOS = 'chaos';

const MODES = Object.keys(SAFETY);

const HELP = `Usage: npm run soak -- [options]

Real Redis masters, and processes that contend for locks on them, for a night. Half of the time is one long run of
npm run chaos, in which a leak would show. The other half is one short run after the other, each drawn from a seed of its
own: holders are stopped past their validity; nodes are killed, paused and emptied, and their clocks go wrong. Ends at
the first run that breaks a promise. scripts/faults/scenarios.ts says what each mode does and promises.

Options:
  --minutes N   for how long; default ${DEFAULT_MINUTES}, or as long as --runs takes
  --runs N      how many short runs at the most; then there is no long one
  --seed S      the seed of the first run, from 0 to 2^32 - 1; default: a random one
  --mode M      only this: ${CHAOS} for the long run, or one of the modes of the short ones: ${MODES.join(', ')};
                default: those that promise something, in turn
  --out DIR     where the report of the long run goes; default ${DEFAULT_FOLDER}
  --help        this text

Exit code: 0 if everything held, 1 if not (or if a run itself failed, or none was begun), 2 for wrong arguments, 128 + the signal's
number if interrupted.
`;

/** Infinity for minutes if only the number of runs counts, and the other way around; no modes if there are no short runs. */
function parse(args: readonly string[]) {
  const values = optionsOf(args, {
    minutes: { type: 'string' },
    runs: { type: 'string' },
    seed: { type: 'string' },
    mode: { type: 'string' },
    out: { type: 'string' },
  });
  const { minutes, runs, seed, mode, out = DEFAULT_FOLDER, help = false } = values;
  if (mode === CHAOS && runs !== undefined)
    throw new UsageError(`--mode ${CHAOS} is one run: give --minutes`);
  if (mode !== undefined && mode !== CHAOS && !MODES.includes(mode))
    throw new UsageError(`--mode must be one of ${[CHAOS, ...MODES].join(', ')}: got "${mode}"`);
  const total =
    minutes === undefined && runs !== undefined
      ? Number.POSITIVE_INFINITY
      : positive('--minutes', minutes, DEFAULT_MINUTES);
  const chaosMinutes = mode === CHAOS ? total : mode === undefined && runs === undefined ? total / 2 : 0;
  return {
    chaosMinutes,
    minutes: total - chaosMinutes,
    runs: positive('--runs', runs, Number.POSITIVE_INFINITY),
    seed: seedOf(seed),
    modes: mode === undefined ? ['inside', 'clocks', 'everything'] : mode === CHAOS ? [] : [mode],
    out: resolve(out),
    help,
  };
}

type SoakArguments = ReturnType<typeof parse>;

await runCommand({
  name: 'npm run soak --',
  help: HELP,
  parse,
  run: async (args, interrupt, output) => {
    const { chaosMinutes, modes, seed, out } = args;
    if (chaosMinutes > 0) {
      const durationMs = chaosMinutes * 60_000;
      const long = { scenarios: ['random'], seeds: 1, seed, durationMs, fleet: 'processes', out } as const;
      if (!(await chaos(long, interrupt, output))) return false;
    }
    if (modes.length === 0 || interrupt.aborted) return true;
    // The program's start counts where nothing came before.
    return await inTurn(args, chaosMinutes > 0 ? performance.now() : 0, interrupt, output);
  },
});

/** Does one run after another until time is over or one breaks a promise. Returns whether there was one, and all held. */
async function inTurn(
  { minutes, runs, seed, modes }: SoakArguments,
  startedAt: number,
  interrupt: AbortSignal,
  output: NodeJS.WriteStream,
): Promise<boolean> {
  const bounds = [minutes < Infinity ? `${minutes} min` : [], runs < Infinity ? `${runs} runs` : []].flat();
  output.write(`soak: ${modes.join(', ')} in turn from seed ${seed}, for ${bounds.join(' or ')}\n`);
  const minutesGone = () => (performance.now() - startedAt) / 60_000;
  const verdicts: Verdict[] = [];
  for (let index = 0; index < runs && minutesGone() < minutes && !interrupt.aborted; index += 1) {
    const options = { scenario: modes[index % modes.length] ?? 'inside', seed: seedAfter(seed, index) };
    output.write(`${replayOf(options)}\n`);
    let grants = () => 0;
    const display = new Display(output, () => ({
      share: Math.min(1, runs < Infinity ? index / runs : minutesGone() / minutes),
      text: `${verdicts.length} runs; now ${grants()} locks`,
    }));
    const verdict = await runOnFleet(options, interrupt, (see) => {
      grants = () => see().grants;
    }).finally(() => display.stop());
    if (interrupt.aborted && verdict.acquisitions === 0) break;
    verdicts.push(verdict);
    const isBroken = verdict.broken.length > 0;
    output.write(`${isBroken ? describeFailure(verdict) : describeVerdict(verdict)}\n`);
    if (isBroken) break;
    for (const detail of detailsOf(verdict)) output.write(`${detail}\n`);
  }
  if (verdicts.length === 0) {
    if (!interrupt.aborted) output.write('Nothing was run: time was over before the first run could begin\n');
    return interrupt.aborted;
  }
  const holds = verdicts.every(({ broken }) => broken.length === 0);
  output.write(`${tableOfRuns(verdicts)}\n`);
  output.write(
    `${holds ? 'Every promise held' : 'A promise was BROKEN, see above'}: ${verdicts.length} runs\n`,
  );
  return holds;
}
