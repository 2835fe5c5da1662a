import { describe, expect, it } from 'vitest';
import { chooseSeed, seedAfter } from '../../../scripts/support/seeds.ts';
import { queueKeyOf } from '../../../src/quorum/fencing-token.ts';
import { Rng } from '../../../src/testing/rng.ts';
import { Scene } from './scene.ts';

const seed = chooseSeed();

describe('a call that is lost, doubled, late or forged costs time only', () => {
  it.each(Array.from({ length: 12 }, (_, index) => seedAfter(seed, index)))('seed %i', async (runSeed) => {
    const dice = Rng.ofSeed(runSeed);
    const scene = new Scene({
      seed: runSeed,
      nodes: dice.pick([1, 3, 5]),
      network: {
        loss: dice.pick([0, 0.01]),
        doubling: dice.pick([0, 0.3]),
        overtaking: dice.pick([0, 0.3]),
        latency: dice.pick([
          { least: 0.1, most: 0.5 },
          { least: 0.1, most: 5 },
        ]),
      },
    });
    const { simulation } = scene;
    const programs = await scene.programs(dice.integer(2, 5), { ttl: 2_000 });
    const callers = programs.flatMap((program) =>
      Array.from({ length: dice.integer(1, 4) }, async () => {
        for (let round = 0; round < 10; round += 1) {
          try {
            await scene.hold(program, program.machine.name, dice.between(0, 5), { waitTime: 600_000 });
          } catch (error) {
            // When many messages are lost, a majority may be silent for a moment.
            if ((error as { code?: string }).code !== 'QUORLOCK_NO_QUORUM') throw error;
            await program.machine.sleep(50);
            round -= 1;
          }
        }
      }),
    );
    let isOver = false;
    const members = () =>
      simulation.nodes.flatMap(({ store }) =>
        store.keys().flatMap((key) => {
          const value = key === 'lock:r' ? (store.get(key) ?? '') : '';
          return value.startsWith('~') ? [value.slice(1)] : [];
        }),
      );
    const forge = async () => {
      while (!isOver) {
        for (const member of members()) {
          const [process, waiter = ''] = member.split('.');
          for (const node of simulation.nodes) {
            if (dice.chance(0.3)) node.publish(`quorlock:wake:${process}`, waiter);
            if (dice.chance(0.1)) node.publish(`quorlock:wake:${process}`, dice.pick(['', '1', 'zz', '2.1']));
          }
        }
        await programs[0]?.machine.sleep(dice.between(0.1, 3));
      }
    };
    const forging = forge();
    await simulation.until(Promise.all(callers));
    isOver = true;
    await simulation.until(forging);
    expect(scene.overlaps).toBe(0);
    expect(scene.turns).toHaveLength(10 * callers.length);
    // Who was entered by a message that came twice is forgotten after two of the longest ttls.
    await simulation.advance(62_000);
    expect(scene.keys).toEqual([]);
  });
});

describe('a waiter', () => {
  it.each([1, 2, 3])('asks when a majority of five has notified it: %i have', async (notifying) => {
    const scene = new Scene();
    const { simulation } = scene;
    const [holder, waiter] = await scene.programs(2);
    await simulation.until(holder.redlock.acquire('r', { ttl: 30_000 }));
    const waiting = scene.hold(waiter, 'waiter', 1);
    // By now it rechecks seldom, and waits long for more notifications where some have come.
    await simulation.advance(15_000);
    const before = scene.commands;
    for (const node of simulation.nodes.slice(0, notifying)) {
      const [first] = node.store.firstMembers(queueKeyOf('lock:r'), 1);
      const [process, name = ''] = (first?.member ?? '').split('.');
      expect(node.publish(`quorlock:wake:${process}`, name)).toBe(1);
    }
    await simulation.advance(2);
    expect(scene.commands - before).toBe(notifying < 3 ? 0 : 5);
    await simulation.until(waiting);
  });
});

describe('who can not be heard', () => {
  it('asks again now and then, and is served', async () => {
    const scene = new Scene();
    const [holder, waiter] = await scene.programs(2);
    // As where a user of the server may not subscribe.
    for (const client of waiter.machine.clients) client.subscribe = () => ({ close: () => undefined });
    const held = await scene.simulation.until(holder.redlock.acquire('r'));
    const waiting = scene.hold(waiter, 'waiter', 1);
    await scene.simulation.advance(1_000);
    const queues = scene.keys.filter((key) => key !== 'lock:r');
    expect(queues).toEqual([]);
    const before = scene.simulation.nowMs;
    await scene.simulation.until(held.release());
    await scene.simulation.until(waiting);
    expect(scene.simulation.nowMs - before).toBeLessThan(250);
  });
});

describe('a late subscriber misses nothing', () => {
  it.each(Array.from({ length: 30 }, (_, index) => index / 10))('released after %f ms', async (afterMs) => {
    const scene = new Scene();
    const [holder, waiter] = await scene.programs(2);
    const held = await scene.simulation.until(holder.redlock.acquire('r'));
    const waiting = scene.hold(waiter, 'waiter', 1);
    await scene.simulation.advance(afterMs);
    const releasedAt = scene.simulation.nowMs;
    void held.release();
    await scene.simulation.until(waiting);
    // One more attempt at the most: not a wait for anything that only time brings.
    expect((scene.turns[0]?.from ?? 0) - releasedAt).toBeLessThan(7);
  });
});

describe('subscriptions that were lost and are made again', () => {
  /** A waiter that rechecks seldom by now, and the keys of the lock that it waits for. */
  async function waits(seed: number) {
    const scene = new Scene({ seed });
    const { simulation } = scene;
    const [holder, waiter] = await scene.programs(2);
    await simulation.until(holder.redlock.acquire('r', { ttl: 30_000 }));
    const waiting = scene.hold(waiter, 'waiter', 1);
    await simulation.advance(15_000);
    return { scene, simulation, waiter, waiting };
  }

  it.each(Array.from({ length: 10 }, (_, seed) => seed + 1))(
    'have the waiter ask soon, for what was published meanwhile is lost: seed %i',
    async (seed) => {
      const { scene, simulation, waiter, waiting } = await waits(seed);
      for (const client of waiter.machine.clients) client.disconnect({ requestsArrive: true });
      for (const { store } of simulation.nodes) store.delete('lock:r');
      const before = simulation.nowMs;
      await simulation.until(waiting);
      // The connections take 50 ms; it would recheck within one to two seconds.
      expect((scene.turns[0]?.from ?? 0) - before).toBeLessThan(50 + 200 + 20);
    },
  );

  it('have it ask soon, though an attempt was under way meanwhile', async () => {
    const scene = new Scene();
    const { simulation } = scene;
    const [holder, waiter] = await scene.programs(2);
    await simulation.until(holder.redlock.acquire('r', { ttl: 30_000 }));
    const again: (() => void)[] = [];
    for (const client of waiter.machine.clients) {
      client.rules.latency = { least: 20, most: 20 };
      const subscribe = client.subscribe.bind(client);
      client.subscribe = (channel, events) => {
        again.push(() => {
          events.lost();
          events.subscribed();
        });
        return subscribe(channel, events);
      };
    }
    const waiting = scene.hold(waiter, 'waiter', 1);
    // An attempt, the subscriptions, and a second attempt take 40 ms each; all nodes have refused the second one by now.
    await simulation.advance(110);
    expect(simulation.nodes.map(({ store }) => store.typeOf(queueKeyOf('lock:r')))).toEqual(
      Array(5).fill('zset'),
    );
    for (const makeAnew of again) makeAnew();
    for (const { store } of simulation.nodes) store.delete('lock:r');
    const before = simulation.nowMs;
    await simulation.until(waiting);
    // It would recheck within half a second to a second.
    expect((scene.turns[0]?.from ?? 0) - before).toBeLessThan(10 + 200 + 50);
  });
});
