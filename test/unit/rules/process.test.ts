import { describe, expect, it } from 'vitest';
import { Simulation } from '../../../src/testing/index.ts';

describe('a node whose process was replaced by one with an older memory', () => {
  it('grants nothing to a command that a driver sends again, before any handshake with it', async () => {
    const simulation = new Simulation({ nodes: 3 });
    const [first, , third] = simulation.nodes;
    if (first === undefined || third === undefined) throw new Error('too few');
    const options = { quarantine: 'strict', nodeTimeout: 2_000 } as const;
    // Its driver sends what was not answered again, on a new connection, as ioredis does by default.
    const other = simulation.machine({ network: { resends: true, reconnectDelay: 5 } });
    const theirs = other.redlock(options);
    await simulation.until(theirs.initialize());
    const holder = simulation.machine();
    const mine = holder.redlock(options);
    await simulation.until(mine.inspect('r'));
    const replica = first.snapshot();
    holder.clients[2]?.cut('requests');
    const lock = await simulation.until(mine.acquire('r', { ttl: 30_000 }));
    // What they ask of the first node is on its way when that one is replaced.
    other.clients[0]?.cut('requests');
    const attempt = theirs.tryAcquire('r', { ttl: 30_000 }).catch(() => null);
    await simulation.advance(1);
    first.failOver(replica);
    other.clients[0]?.mend();
    expect(await simulation.until(attempt)).toBeNull();
    lock.assertHeld();
    // The command reached it.
    expect(first.commands).toBeGreaterThan(0);
  });
});
