import { describe, expect, it } from 'vitest';
import { LockLostError, NoQuorumError, type Redlock, WaitTimeoutError } from '../../src/index.ts';
import { Simulation } from '../../src/testing/index.ts';
import type { SimulatedServer } from '../../src/testing/simulated-node.ts';

/** Until a node that lost its memory votes again, with a maxTtl of 10 s: counted from when it is noticed. */
const QUARANTINE_MS = 10_000 * 1.01 + 2_100 + 1_000;

const OPTIONS = { ttl: 10_000, maxTtl: 10_000 } as const;

/** A program on a machine of its own, which has used the nodes before. */
async function program(simulation: Simulation, network = {}) {
  const machine = simulation.machine({ network });
  const redlock = machine.redlock(OPTIONS);
  await simulation.until(redlock.acquire(`the first of ${machine.name}`).then((lock) => lock.release()));
  return { machine, redlock };
}

function nodeAt({ nodes }: Simulation, index: number): SimulatedServer {
  const node = nodes[index];
  if (node === undefined) throw new RangeError(`there is no node ${index}`);
  return node;
}

const attempt = (simulation: Simulation, redlock: Redlock) => simulation.until(redlock.tryAcquire('page'));

describe('five nodes in two rooms, three here and two there, and a program in each', () => {
  it('when the rooms are cut off, goes on in the larger one and says why not in the smaller one', async () => {
    const simulation = new Simulation({ nodes: 5 });
    const [here, there] = [await program(simulation), await program(simulation)];
    simulation.partition(
      [here.machine, ...simulation.nodes.slice(0, 3)],
      [there.machine, ...simulation.nodes.slice(3)],
    );
    const lock = await attempt(simulation, here.redlock);
    lock?.assertHeld();
    await expect(attempt(simulation, there.redlock)).rejects.toThrow(NoQuorumError);
  });

  it('when they are whole again, the one gets what the other gives back, with a higher token', async () => {
    const simulation = new Simulation({ nodes: 5 });
    const [here, there] = [await program(simulation), await program(simulation)];
    simulation.partition(
      [here.machine, ...simulation.nodes.slice(0, 3)],
      [there.machine, ...simulation.nodes.slice(3)],
    );
    const lock = await simulation.until(here.redlock.acquire('page'));
    await simulation.advance(1_000);
    simulation.heal();
    const next = there.redlock.acquire('page');
    await simulation.advance(100);
    await simulation.until(lock.release());
    expect((await simulation.until(next)).token).toBeGreaterThan(lock.token);
  });
});

describe('three nodes, a program that can send and not hear, and another one', () => {
  it('has back on the nodes what it was granted and never heard of', async () => {
    const simulation = new Simulation({ nodes: 3 });
    const [deaf, other] = [await program(simulation), await program(simulation)];
    for (const client of deaf.machine.clients) client.cut('replies');
    await expect(attempt(simulation, deaf.redlock)).rejects.toThrow(NoQuorumError);
    await simulation.advance(10);
    expect(simulation.nodes.map(({ store }) => store.get('lock:page'))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const lock = await attempt(simulation, other.redlock);
    lock?.assertHeld();
  });
});

describe('three nodes, a holder that is suspended for a day, and the next one', () => {
  it('tells the holder at its first look, and gives the next holder a higher token', async () => {
    const simulation = new Simulation({ nodes: 3 });
    const [holder, nextHolder] = [await program(simulation), await program(simulation)];
    const lock = await simulation.until(holder.redlock.acquire('page'));
    const wokenUp = holder.machine.sleep(1).then(() => lock.assertHeld());
    holder.machine.suspend(86_400_000);
    const next = await simulation.until(nextHolder.redlock.acquire('page', { waitTime: 20_000 }));
    expect(next.token).toBeGreaterThan(lock.token);
    await expect(simulation.until(wokenUp, 90_000_000)).rejects.toThrow(LockLostError);
  });
});

describe('five nodes of which two crash and a third forgets while a lock is held', () => {
  it('gives it to no other holder, and votes again after the quarantine', async () => {
    const simulation = new Simulation({ nodes: 5 });
    const [holder, other] = [await program(simulation), await program(simulation)];
    const lock = await simulation.until(holder.redlock.acquire('page'));
    for (const index of [0, 1]) nodeAt(simulation, index).crash();
    nodeAt(simulation, 2).restart({ keepMemory: false });
    await simulation.advance(200);
    await expect(attempt(simulation, other.redlock)).rejects.toThrow(/votes again at/);
    lock.assertHeld();
    await simulation.advance(QUARANTINE_MS);
    (await attempt(simulation, other.redlock))?.assertHeld();
  });
});

describe('three nodes, one of which fails over to a replica that never heard of the lock', () => {
  it('does not let the new master vote it away', async () => {
    const simulation = new Simulation({ nodes: 3 });
    const [holder, other] = [await program(simulation), await program(simulation)];
    const replica = nodeAt(simulation, 0).snapshot();
    holder.machine.clients[2]?.cut('requests');
    const lock = await simulation.until(holder.redlock.acquire('page'));
    nodeAt(simulation, 0).failOver(replica);
    await simulation.advance(200);
    expect(await attempt(simulation, other.redlock)).toBeNull();
    lock.assertHeld();
  });
});

describe('three nodes behind a network that loses one message in twenty, doubles and reorders the others', () => {
  it('serves eight programs one after the other', async () => {
    const simulation = new Simulation({ nodes: 3, seed: 11 });
    const network = { loss: 0.05, doubling: 0.2, overtaking: 0.2, latency: { median: 1, p99: 15 } };
    const programs = [];
    for (let count = 0; count < 8; count += 1) programs.push(await program(simulation, {}));
    let inside = 0;
    let served = 0;
    for (const { machine } of programs) {
      for (const client of machine.clients) Object.assign(client.rules, network);
    }
    const work = programs.map(async ({ machine, redlock }) => {
      while (served < 40) {
        try {
          const lock = await redlock.acquire('page', { ttl: 1_000, waitTime: 30_000 });
          inside += 1;
          expect(inside).toBe(1);
          await machine.sleep(5);
          lock.assertHeld();
          inside -= 1;
          served += 1;
          await lock.release();
        } catch (error) {
          // Lost messages in such a number keep nodes from voting now and then.
          if (!(error instanceof NoQuorumError || error instanceof WaitTimeoutError)) throw error;
        }
      }
    });
    await simulation.until(Promise.all(work));
    expect(served).toBeGreaterThanOrEqual(40);
  });
});
