import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Fleet } from '../../../scripts/fleet/fleet.ts';
import { SystemClock } from '../../../src/base/clock.ts';
import { Redlock } from '../../../src/index.ts';
import { PATIENT, startDeployment } from '../../support/deployment.ts';
import { LeapingClock } from '../../support/leaping-clock.ts';

const HOUR_MS = 3_600_000;
const CLAMP_US = 1_000_000;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startDeployment(3);
});
afterAll(() => fleet.stop());

/** What time it is on each node, in microseconds. */
async function timesOf({ nodes }: Fleet): Promise<readonly number[]> {
  const times = await Promise.all(nodes.map((node) => node.command('TIME')));
  return times.map((time) => {
    const [seconds, micros] = Array.isArray(time) ? time : [];
    return Number(seconds) * 1_000_000 + Number(micros);
  });
}

it.each([
  ['forward', HOUR_MS],
  ['backward', -HOUR_MS],
])(
  'a program whose clocks leap %s moves no counter further away from the nodes’ time than β',
  async (way, leapMs) => {
    const clock = new LeapingClock(new SystemClock());
    const resource = `leapt ${way}`;
    const before = await timesOf(fleet);
    await using wrong = new Redlock(fleet.urls, { ...PATIENT, clock });
    await wrong.inspect('something else');
    clock.leap(leapMs);
    // Whatever comes of it.
    await wrong.tryAcquire(resource).then(
      (lock) => lock?.release(),
      () => undefined,
    );
    await using healthy = new Redlock(fleet.urls, PATIENT);

    await using lock = await healthy.acquire(resource, { waitTime: 60_000 });

    expect(lock.token).toBeLessThanOrEqual(Math.max(...(await timesOf(fleet))) + CLAMP_US + 1);
    expect(lock.token).toBeGreaterThanOrEqual(Math.min(...before) - CLAMP_US);
  },
);
