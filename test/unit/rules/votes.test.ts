import { describe, expect, it } from 'vitest';
import { ExtendFailedError, LockHeldError, type NodeVote, NoQuorumError } from '../../../src/index.ts';
import { Simulation } from '../../../src/testing/index.ts';

const outcomesOf = (votes: readonly NodeVote[]) => votes.map(({ outcome }) => outcome);

/** A program whose nodes answer when they are told to. */
function program(nodes: number) {
  const simulation = new Simulation({ nodes });
  const machine = simulation.machine();
  const redlock = machine.redlock({ quarantine: 'off', nodeTimeout: 1_000 });
  return { simulation, machine, redlock };
}

describe('a vote that comes when its round is over', () => {
  it('does not count: what an error says of the nodes stays as it is', async () => {
    const { simulation, machine, redlock } = program(5);
    await simulation.until(redlock.inspect('something else'));
    for (const { store } of simulation.nodes.slice(0, 3)) store.set('lock:r', 'other', 30_000);
    for (const client of machine.clients.slice(3)) client.cut('replies');
    const error = await simulation.until(
      redlock.acquire('r', { waitTime: 0 }).catch((reason: unknown) => reason),
    );
    if (!(error instanceof LockHeldError)) throw error;
    const before = outcomesOf(error.votes);
    expect(before).toEqual(['held', 'held', 'held', 'pending', 'pending']);
    for (const client of machine.clients) client.mend();
    await simulation.advance(500);
    expect(outcomesOf(error.votes)).toEqual(before);
    for (const { store } of simulation.nodes.slice(3)) expect(store.get('lock:r')).toBeUndefined();
  });

  it('does not count: a majority that comes after nodeTimeout is none, and is rolled back', async () => {
    const { simulation, machine, redlock } = program(3);
    await simulation.until(redlock.inspect('something else'));
    for (const client of machine.clients) client.cut('replies');
    const attempt = redlock.tryAcquire('r').catch((reason: unknown) => reason);
    await simulation.advance(1_001);
    for (const client of machine.clients) client.mend();
    const error = await simulation.until(attempt);
    expect(error).toBeInstanceOf(NoQuorumError);
    await simulation.advance(500);
    for (const { store } of simulation.nodes) expect(store.get('lock:r')).toBeUndefined();
  });

  it('does not count: an extension whose majority comes too late has failed', async () => {
    const { simulation, machine, redlock } = program(3);
    const lock = await simulation.until(redlock.acquire('r', { ttl: 10_000 }));
    for (const client of machine.clients) client.cut('replies');
    const extending = lock.extend(30_000).catch((reason: unknown) => reason);
    await simulation.advance(1_001);
    for (const client of machine.clients) client.mend();
    const error = await simulation.until(extending);
    if (!(error instanceof ExtendFailedError)) throw error;
    const before = outcomesOf(error.votes);
    expect(before.filter((outcome) => outcome === 'failed').length).toBeGreaterThan(1);
    await simulation.advance(500);
    expect(outcomesOf(error.votes)).toEqual(before);
    expect(lock.remainingValidity()).toBeLessThan(10_000 - 1_500);
  });
});
