import { chaos } from '../chaos/chaos.ts';
import { seedAfter } from '../support/seeds.ts';
import type { SoakArguments } from './arguments.ts';
import { Display } from './display.ts';
import { run, STAFF_SIZE } from './run.ts';
import { Staff } from './staff.ts';
import { describeTerms, drawTerms, type Mode } from './terms.ts';
import { Totals } from './totals.ts';
import { describeFailure, describeVerdict } from './verdict.ts';

/** The long run, and then the short ones. Returns whether all held. */
export async function soak(
  soakArguments: SoakArguments,
  interrupt: AbortSignal,
  output: NodeJS.WriteStream,
): Promise<boolean> {
  const { chaosMinutes, modes, seed, out } = soakArguments;
  if (chaosMinutes > 0) {
    const durationMs = chaosMinutes * 60_000;
    const long = { scenarios: ['random'], seeds: 1, seed, durationMs, fleet: 'processes', out } as const;
    if (!(await chaos(long, interrupt, output))) return false;
  }
  return modes.length === 0 || interrupt.aborted || (await inTurn(soakArguments, interrupt, output));
}

/** Does one run after another until time is over or one breaks a promise. */
async function inTurn(
  { minutes, runs, seed, modes }: SoakArguments,
  interrupt: AbortSignal,
  output: NodeJS.WriteStream,
): Promise<boolean> {
  const bounds = [minutes < Infinity ? `${minutes} min` : [], runs < Infinity ? `${runs} runs` : []].flat();
  output.write(`soak: ${modes.join(', ')} in turn from seed ${seed}, for ${bounds.join(' or ')}\n`);
  const startedAt = performance.now();
  const minutesGone = () => (performance.now() - startedAt) / 60_000;
  const totals = new Totals();
  await using staff = await Staff.hire(STAFF_SIZE);
  for (let index = 0; index < runs && minutesGone() < minutes && !interrupt.aborted; index += 1) {
    const terms = drawTerms(modeAt(modes, index), seedAfter(seed, index));
    output.write(`${describeTerms(terms)}\n`);
    const display = new Display(output, () => ({
      share: Math.min(1, runs < Infinity ? index / runs : minutesGone() / minutes),
      text: `${totals.text}; now ${staff.grants} acquisitions`,
    }));
    const verdict = await run(terms, staff, interrupt).finally(() => display.stop());
    output.write(`${describeVerdict(verdict)}\n`);
    // One that was cut short may have granted nothing yet, which is no failure.
    if (interrupt.aborted && verdict.acquisitions === 0) break;
    totals.add(verdict);
    if (verdict.broken.length > 0) {
      output.write(`${describeFailure(verdict)}\n`);
      break;
    }
    if (verdict.details !== '') output.write(`${verdict.details}\n`);
  }
  // Whoever interrupts it before the first run ends knows that.
  if (interrupt.aborted && totals.isEmpty) return true;
  output.write(`${totals.summary}\n`);
  return totals.holds;
}

function modeAt(modes: readonly Mode[], index: number): Mode {
  return modes[index % modes.length] ?? 'inside';
}
