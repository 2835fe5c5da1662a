import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/index.ts';
import { type Machine, Simulation } from '../../../src/testing/index.ts';
import { LeapingClock } from '../../support/leaping-clock.ts';

const HOUR_MS = 3_600_000;
const CLAMP_US = 1_000_000;

function open(machine: Machine, clock: Clock, quarantine: 'off' | 'strict' = 'off') {
  return machine.redlock({ clock, quarantine, onWarning: () => undefined });
}

describe('a program whose clocks leap while it knows the nodes’ time', () => {
  it.each([
    ['forward', HOUR_MS],
    ['backward', -HOUR_MS],
  ])('%s moves no counter further away from the nodes’ time than β', async (_, leapMs) => {
    const simulation = new Simulation({ nodes: 3 });
    const machine = simulation.machine();
    const clock = new LeapingClock(machine.clock);
    const wrong = open(machine, clock);
    await simulation.until(wrong.inspect('something else'));
    clock.leap(leapMs);
    // Whatever comes of it.
    await simulation.until(wrong.tryAcquire('r').catch(() => null));
    await simulation.until(wrong.close());
    await simulation.advance(30_000);
    const healthy = simulation.machine();
    const lock = await simulation.until(open(healthy, healthy.clock).acquire('r'));
    const times = simulation.nodes.map(({ timeUs }) => timeUs);
    expect(lock.token).toBeLessThanOrEqual(Math.max(...times) + CLAMP_US + 1);
    expect(lock.token).toBeGreaterThanOrEqual(Math.min(...times) - CLAMP_US - 10_000);
  });

  it('forward has no later token be lower, once the nodes have lost their memory', async () => {
    const simulation = new Simulation({ nodes: 3 });
    const machine = simulation.machine();
    const clock = new LeapingClock(machine.clock);
    const wrong = open(machine, clock, 'strict');
    await simulation.until(wrong.initialize());
    clock.leap(HOUR_MS);
    await simulation.until(wrong.tryAcquire('r').catch(() => null));
    await simulation.until(wrong.close());
    await simulation.advance(10_000);
    const healthy = simulation.machine();
    const redlock = open(healthy, healthy.clock, 'strict');
    const before = await simulation.until(redlock.acquire('r'));
    await simulation.until(before.release());
    for (const node of simulation.nodes) node.flushAll();
    await simulation.until(redlock.tryAcquire('r').catch(() => null));
    await simulation.advance(40_000);
    const after = await simulation.until(redlock.acquire('r'));
    expect(after.token).toBeGreaterThan(before.token);
  });
});
