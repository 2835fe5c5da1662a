import { describe, expect, it } from 'vitest';
import { Simulation } from '../../../src/testing/index.ts';

const HOUR_MS = 3_600_000;
/** Of the default maxTtl. */
const QUARANTINE_MS = 30_000 * 1.01 + 2_100;

/** A node that was emptied, and a program that watches it. */
async function emptied() {
  const simulation = new Simulation({ nodes: 1 });
  const [node] = simulation.nodes;
  const machine = simulation.machine();
  const redlock = machine.redlock({ quarantine: 'strict' });
  await simulation.until(redlock.initialize());
  await simulation.until(redlock.acquire('r', { ttl: 30_000 }));
  node?.flushAll();
  await simulation.until(redlock.tryAcquire('another').catch(() => null));
  const since = simulation.nowMs;
  const state = () => node?.store.get('quorlock:node')?.split(' ')[0];
  return { simulation, machine, state, passed: () => simulation.nowMs - since };
}

describe('a quarantine takes as long by the clocks that do not step', () => {
  it('where the wall clock of the program that watches it leaps forward', async () => {
    const { simulation, machine, state, passed } = await emptied();
    machine.clock.stepWall(HOUR_MS);
    await simulation.advance(QUARANTINE_MS - passed() - 200);
    expect(state()).toBe('joining');
    await simulation.advance(1_000);
    expect(state()).toBe('active');
  });

  it('where it leaps back', async () => {
    const { simulation, machine, state, passed } = await emptied();
    machine.clock.stepWall(-HOUR_MS);
    await simulation.advance(QUARANTINE_MS - passed() - 200);
    expect(state()).toBe('joining');
    await simulation.advance(1_000);
    expect(state()).toBe('active');
  });

  it('where the node’s own clock leaps forward', async () => {
    const { simulation, state, passed } = await emptied();
    simulation.nodes[0]?.wall.step(HOUR_MS);
    await simulation.advance(QUARANTINE_MS - passed() - 200);
    expect(state()).toBe('joining');
  });
});
