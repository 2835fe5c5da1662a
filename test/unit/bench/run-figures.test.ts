import { expect, it } from 'vitest';
import type { Hold, RunReport } from '../../../bench/worker/protocol.ts';
import { runFigures } from '../../../scripts/bench/peers/run-figures.ts';

/** Two contenders that have the lock for a millisecond each time, for `times` times in a row before the other one has it. */
function takingTurns(inARow: number): RunReport {
  const holds: [Hold[], Hold[]] = [[], []];
  for (let at = 0; at < 1_000; at += 1) {
    holds[Math.floor(at / inARow) % 2 === 0 ? 0 : 1].push({
      askedAtMs: at,
      acquiredAtMs: at,
      releasedAtMs: at + 0.9,
    });
  }
  const contenders = holds.map((each) => ({ holds: each, waitingSinceMs: undefined, failures: 0 }));
  return { contenders, commands: 1_000 } as unknown as RunReport;
}

it.each([
  { inARow: 1, shortJain: 1 },
  { inARow: 50, shortJain: 1 },
  { inARow: 100, shortJain: 0.5 },
  { inARow: 500, shortJain: 0.5 },
])(
  'two that have it $inARow times in a row: even over a second, and $shortJain within a moment',
  ({ inARow, shortJain }) => {
    const figures = runFigures([takingTurns(inARow)], { fromMs: 0, toMs: 1_000 });
    expect(figures.jain).toBe(1);
    expect(figures.shortJain).toBe(shortJain);
    expect(figures.heldShare).toBeCloseTo(0.9);
  },
);
