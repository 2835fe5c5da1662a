import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findEngine } from '../../scripts/faults/fleet/masters/engine.ts';
import { runOnFleet } from '../../scripts/faults/fleet/run.ts';
import { type RunOptions, replayOf } from '../../scripts/faults/fleet/terms.ts';
import { describeFailure, describeVerdict } from '../../scripts/faults/fleet/words.ts';
import { chooseSeed } from '../../scripts/support/seeds.ts';
import { runScript } from '../support/scripts.ts';

const missing = await findEngine().then(
  () => undefined,
  (error: unknown) => String(error),
);

const ending = new AbortController();
afterAll(() => ending.abort());

describe('a fleet of five masters in containers', () => {
  beforeAll(() => {
    if (missing !== undefined) console.log(`skipped: ${missing}`);
  });

  test.skipIf(missing !== undefined)(
    'faults inside of the assumptions, at random: no overlaps, no lost updates',
    async () => {
      const options: RunOptions = {
        scenario: 'random',
        seed: chooseSeed(),
        durationMs: 15_000,
        fleet: 'containers',
      };
      console.log(replayOf(options));
      const verdict = await runOnFleet(options, ending.signal);
      console.log(describeVerdict(verdict));
      expect(verdict.broken, describeFailure(verdict)).toEqual([]);
    },
  );
});

describe.skipIf(missing === undefined)('npm run chaos, where there is no container engine', () => {
  test.each(['--containers', '--compose'])('%s says so, without a stack, and fails', async (option) => {
    const { code, output } = await runScript('chaos.ts', option, '--seconds', '1');
    expect(output).toMatch(/\nno container engine answers: start one, for example dockerd\n$/);
    expect(code).toBe(1);
  });
});
