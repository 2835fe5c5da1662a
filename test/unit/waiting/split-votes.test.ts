import { describe, expect, it } from 'vitest';
import { Scene } from './scene.ts';

/** What nodes said to the attempts of a run: for each lock value, who granted it and who did not. */
class Attempts {
  readonly #granted = new Map<string, number>();

  readonly hear = (line: string): void => {
    for (const [, value = '', outcome] of line.matchAll(
      /(?:acquire|contend) lock:r \(value ([^,]+),[^)]*\): (\w+)/g,
    )) {
      this.#granted.set(value, (this.#granted.get(value) ?? 0) + (outcome === 'granted' ? 1 : 0));
    }
  };

  get count(): number {
    return this.#granted.size;
  }

  /** How many got some nodes, and no majority of five. */
  get split(): number {
    return [...this.#granted.values()].filter((nodes) => nodes > 0 && nodes < 3).length;
  }
}

async function run(processes: number, callers: number, latencyMs: number): Promise<Attempts> {
  const attempts = new Attempts();
  const scene = new Scene({ trace: attempts.hear, network: { latency: { least: 0.1, most: latencyMs } } });
  const programs = await scene.programs(processes);
  const all = programs.flatMap((program) =>
    Array.from({ length: callers }, async () => {
      for (let round = 0; round < 30; round += 1) await scene.hold(program, program.machine.name, 1);
    }),
  );
  await scene.simulation.until(Promise.all(all));
  expect(scene.turns).toHaveLength(processes * callers * 30);
  expect(scene.overlaps).toBe(0);
  return attempts;
}

describe('votes are split', () => {
  it.each([
    [2, 1, 0.5],
    [4, 1, 0.5],
    [8, 1, 0.5],
    [8, 4, 0.5],
    [4, 1, 5],
  ])(
    'hardly ever: %i processes with %i callers each, messages of up to %f ms',
    async (processes, callers, latencyMs) => {
      const { count, split } = await run(processes, callers, latencyMs);
      console.info(`${split} of ${count} attempts split the vote`);
      expect(count).toBeGreaterThan(processes);
      // At first no waiter is in a queue, and all ask at once.
      expect(split).toBeLessThanOrEqual(processes + count / 20);
    },
  );
});
