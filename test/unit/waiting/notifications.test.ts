import { describe, expect, it } from 'vitest';
import { chooseSeed, seedAfter } from '../../../scripts/support/seeds.ts';
import type { NodeVote } from '../../../src/base/vote.ts';
import type { Attempt } from '../../../src/lock/attempts.ts';
import { queueKeyOf } from '../../../src/quorum/fencing-token.ts';
import { Rng } from '../../../src/testing/rng.ts';
import { Notifications, QueueTicket } from '../../../src/waiting/notifications.ts';
import { ProcessClock } from '../process-clock.ts';
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

/** The notifications of a process, of which a test plays three nodes. */
class Ear {
  readonly clock = new ProcessClock();
  readonly closing = new AbortController();
  readonly hearing = { heard: 0, unheard: 0 };
  /** What its wait queues were told, and what its nodes were asked for. */
  readonly log: string[] = [];
  publish: (node: number, message: string) => void = () => undefined;
  #changed = () => {};
  readonly #quorum = {
    ...{ size: 3, hearing: this.hearing },
    listen: (channel: string, heard: typeof this.publish, changed: () => void) => {
      this.log.push(channel);
      this.publish = heard;
      this.#changed = changed;
      return { close: () => this.log.push('closed') };
    },
  };
  readonly notifications = new Notifications(this.#quorum, this.clock, 'p', this.closing.signal);

  /** The numbers of nodes that are heard now, and that are not yet. */
  hears(heard: number, unheard = 3 - heard): void {
    Object.assign(this.hearing, { heard, unheard });
    this.#changed();
  }

  register({ isSharing = false, permits }: { isSharing?: boolean; permits?: number } = {}): QueueTicket {
    const ticket: QueueTicket = this.notifications.register(
      {
        notified: (node, slot) => this.log.push(`${ticket.member} by ${node}: ${slot}`),
        missed: () => this.log.push(`${ticket.member} missed`),
      },
      isSharing,
      permits,
    );
    return ticket;
  }

  /** What has been logged since the last look. */
  get since(): readonly string[] {
    return this.log.splice(0);
  }

  /** Whether the subscriptions are open, as far as a caller that asks for that can tell. */
  async opened(): Promise<string[]> {
    const state = ['opening'];
    void this.notifications.open().then(() => state.splice(0, 1, 'open'));
    await this.clock.advance(0);
    return state;
  }
}

const LISTENS = 'quorlock:wake:p';

describe('the nodes’ notifications to a process', () => {
  it('go to the wait queue that they name, and tell the slot', async () => {
    const ear = new Ear();
    const tickets = [{}, { isSharing: true }, { permits: 120 }].map((kind) => ear.register(kind));
    expect(tickets.map(({ member }) => member)).toEqual(['p.1', 'p.+2', 'p.3/120']);
    await ear.opened();
    expect(ear.since).toEqual([LISTENS]);
    for (const message of ['1', '+2', '3/120:119', '2', '', ':1', '+2:1:5', '1:1234', '1:x', 'x:1:3/120'])
      ear.publish(2, message);
    expect(ear.since).toEqual(['p.1 by 2: undefined', 'p.+2 by 2: undefined', 'p.3/120 by 2: 119']);
    tickets[0]?.end(() => undefined);
    expect(ear.notifications.size).toBe(2);
    ear.publish(0, '1');
    expect(ear.since).toEqual([]);
    while (ear.notifications.size < 36) ear.register();
    expect(ear.register().member).toBe('p.12');
  });

  it.each([
    ['when a majority is heard and no node that votes is not', [2, 0], 'open'],
    ['not while one is not heard', [2, 1], 'opening'],
  ] as const)('are heard, and no wait queue has missed any: %s', async (_, [heard, unheard], state) => {
    const ear = new Ear();
    ear.hears(0);
    const opened = [await ear.opened(), await ear.opened()];
    ear.register();
    expect(opened).toEqual([['opening'], ['opening']]);
    ear.hears(1, 2);
    expect(ear.notifications.isOpen).toBe(false);
    ear.hears(heard, unheard);
    expect(ear.notifications.isOpen).toBe(true);
    await ear.clock.advance(99);
    expect(opened).toEqual([[state], [state]]);
    await ear.clock.advance(1);
    expect([...opened, await ear.opened()]).toEqual([['open'], ['open'], ['open']]);
    expect(ear.since).toEqual([LISTENS]);
    expect(ear.clock.pendingTimers).toBe(0);
  });

  it('may have been missed when another node is heard, and not when one is heard no more', async () => {
    const ear = new Ear();
    expect(ear.notifications.isOpen).toBe(false);
    ear.hears(3);
    expect(ear.notifications.isOpen).toBe(false);
    await ear.opened();
    ear.register();
    expect(ear.since).toEqual([LISTENS]);
    for (const heard of [3, 3, 2, 2, 3]) ear.hears(heard);
    expect(ear.since).toEqual(['p.1 missed', 'p.1 missed']);
  });

  it('are listened to until no wait queue has needed them for ten seconds', async () => {
    const ear = new Ear();
    // Its caller may get the lock in this process, and never need them.
    await ear.opened();
    await ear.clock.advance(9_999);
    expect(ear.since).toEqual([LISTENS]);
    expect(ear.clock.isKeptAlive).toBe(false);
    await ear.clock.advance(1);
    expect(ear.since).toEqual(['closed']);
    ear.hears(3);
    await ear.opened();
    const [one, other] = [ear.register(), ear.register()];
    await ear.clock.advance(10_000);
    one.end(() => undefined);
    await ear.clock.advance(10_000);
    expect(ear.since).toEqual([LISTENS]);
    other.end(() => undefined);
    await ear.clock.advance(5_000);
    const last = ear.register();
    await ear.clock.advance(5_000);
    last.end(() => undefined);
    await ear.clock.advance(9_999);
    expect(ear.since).toEqual([]);
    await ear.clock.advance(1);
    expect(ear.since).toEqual(['closed']);
  });

  it('are waited for no more when the Redlock closes', async () => {
    const ear = new Ear();
    ear.hears(0);
    const opened = await ear.opened();
    const ticket = ear.register();
    ear.closing.abort();
    ear.notifications.close();
    await ear.clock.advance(0);
    expect(opened).toEqual(['open']);
    ticket.end(() => undefined);
    expect(await ear.opened()).toEqual(['open']);
    expect(ear.since).toEqual([LISTENS, 'closed']);
    expect(ear.notifications.isOpen).toBe(false);
    expect(ear.clock.pendingTimers).toBe(0);
  });
});

describe('a ticket of a wait queue', () => {
  const about = { node: 'a:1', latencyMs: 1 };
  const votes: readonly NodeVote[] = [
    { ...about, outcome: 'granted', counter: 1 },
    { ...about, outcome: 'held', remainingTtl: 1 },
  ];

  it.each<[string, readonly string[], readonly number[]]>([
    ['an attempt that is lost has a waiter in all nodes’ queues', ['held'], [0, 1]],
    ['one without a waiter has none', ['held, none waits'], []],
    ['a node that grants has it no more', ['held', 'acquired'], [1]],
    ['unless another attempt goes on', ['acquired, one goes on'], [0, 1]],
  ])('%s', (_, attempts, queued) => {
    const log: unknown[] = [];
    const ticket = new QueueTicket('m', () => log.push('ended'));
    for (const [outcome, how] of attempts.map((attempt) => attempt.split(', '))) {
      const waiter = how === 'none waits' ? undefined : { member: 'm', since: 1 };
      ticket.asked({ outcome, votes } as unknown as Attempt, waiter, how === 'one goes on');
    }
    expect(ticket.isQueued).toBe(queued.length > 0);
    ticket.end((member, nodes) => log.push(member, ...nodes));
    expect(log).toEqual([...(queued.length > 0 ? ['m', ...queued] : []), 'ended']);
  });
});
