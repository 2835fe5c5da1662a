import { isDeepStrictEqual } from 'node:util';
import { runOnModel } from './run.ts';
import type { Step } from './steps.ts';
import type { Answer, RealSubject } from './subject.ts';

type Sequence = readonly Step[];

/** What was done, each with what came of it. */
type Protocol = readonly { readonly step: Step | 'before' | 'after'; readonly answer: Answer | undefined }[];

/** The answers to the same commands. */
export interface Difference {
  readonly actual: Protocol;
  readonly expected: Protocol;
}

/** Where a real server first answers these steps otherwise than the simulated one. Undefined: nowhere. */
export async function differenceIn(steps: Sequence, real: RealSubject): Promise<Difference | undefined> {
  for (const { passMs, exchanges } of runOnModel(steps, real.runId, real.timeUs)) {
    const commands = exchanges.flatMap((exchange) => exchange.commands);
    const expected = exchanges.flatMap((exchange) => exchange.answers);
    const actual = await real.run(passMs, commands);
    if (isDeepStrictEqual(actual, expected)) continue;
    const asked = exchanges.flatMap((exchange) => exchange.commands.map(() => exchange.step));
    const protocolOf = (answers: readonly Answer[]): Protocol =>
      asked.map((step, at) => ({ step, answer: answers[at] }));
    return { actual: protocolOf(actual), expected: protocolOf(expected) };
  }
  return undefined;
}

/** The first of the sequences that a real server answers otherwise. The servers share the work; all are alike. */
export async function firstDifference(
  sequences: readonly Sequence[],
  servers: readonly RealSubject[],
): Promise<{ readonly index: number; readonly difference: Difference } | undefined> {
  const remaining = sequences.entries();
  const found: { readonly index: number; readonly difference: Difference }[] = [];
  const work = async (real: RealSubject): Promise<void> => {
    // Sequences are handed out in order: whatever comes before a difference has been begun, and is finished.
    for (const [index, steps] of remaining) {
      const difference = await differenceIn(steps, real);
      if (difference !== undefined) found.push({ index, difference });
      if (found.length > 0) return;
    }
  };
  await Promise.all(servers.map(work));
  return found.sort((a, b) => a.index - b.index)[0];
}
