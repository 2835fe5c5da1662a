import { describe, expect, it } from 'vitest';
import { fenceKeyOf } from '../../../src/quorum/fencing-token.ts';
import { type Machine, Simulation } from '../../../src/testing/index.ts';

const NODE_TIMEOUT_MS = 50;

/** A program that has heard each node's time in an answer that took so long on its way back. */
async function program(answerMs: number) {
  const simulation = new Simulation({ nodes: 3, network: { latency: { least: 0, most: 0 } } });
  const machine = simulation.machine();
  const redlock = machine.redlock({ quarantine: 'off', nodeTimeout: NODE_TIMEOUT_MS });
  await simulation.until(redlock.inspect('something else'));
  await during(machine, 'replies', async () => {
    void redlock.inspect('something else');
    await simulation.advance(answerMs);
  });
  await simulation.advance(0.1);
  return { simulation, machine, redlock };
}

/** Nothing gets through in this direction meanwhile. */
async function during(
  { clients }: Machine,
  direction: 'requests' | 'replies',
  act: () => Promise<void>,
): Promise<void> {
  for (const client of clients) client.cut(direction);
  await act();
  for (const client of clients) client.mend();
}

describe('a command that reaches its node', () => {
  it.each([
    ['soon after a quick answer', 0, 40],
    ['late, but within nodeTimeout', 0, NODE_TIMEOUT_MS - 1],
    ['after the last answer had been slow to come back', 40, 40],
  ])('%s is in time', async (_, answerMs, requestMs) => {
    const { simulation, machine, redlock } = await program(answerMs);
    const attempt = redlock.tryAcquire('r');
    await during(machine, 'requests', () => simulation.advance(requestMs));
    (await simulation.until(attempt))?.assertHeld();
    for (const { store } of simulation.nodes) expect(store.get('lock:r')).toBeDefined();
  });

  it.each([
    ['after nodeTimeout', 0],
    ['after nodeTimeout, where the last answer had been slow', 40],
  ])('%s and the drift is too late, and leaves nothing there', async (_, answerMs) => {
    const { simulation, machine, redlock } = await program(answerMs);
    const attempt = redlock.tryAcquire('r').catch(() => null);
    const tooLateMs = NODE_TIMEOUT_MS * 1.01 + 1;
    await during(machine, 'requests', () => simulation.advance(tooLateMs));
    await simulation.advance(0);
    // The release comes right behind it, and leaves the counter that a grant has raised.
    const left = simulation.nodes.flatMap(({ store }) => store.keys());
    expect(left.filter((key) => key === 'lock:r' || key === fenceKeyOf('lock:r'))).toEqual([]);
    expect(await simulation.until(attempt)).toBeNull();
  });
});
