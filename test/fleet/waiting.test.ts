import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Redis as Redis6 } from 'ioredis';
import { Redis as Redis5 } from 'ioredis-5';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Fleet, FleetNode } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { Redlock, type RedlockOptions } from '../../src/index.ts';
import { PATIENT, startDeployment, untilAllVote } from '../support/deployment.ts';
import { expectHeldOnAll, expectNoKeys, LONG_TTL_MS } from '../support/lock-keys.ts';

const HOLDER = fileURLToPath(new URL('../support/killable-holder.ts', import.meta.url));
const RESOURCES = Array.from({ length: 20 }, (_, index) => `waited for ${index}`);

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startDeployment(3);
});
afterAll(() => fleet.stop());

function open(
  options: RedlockOptions = {},
  nodes: ConstructorParameters<typeof Redlock>[0] = fleet.urls,
): Redlock {
  const redlock = new Redlock(nodes, { ...PATIENT, ...options });
  onTestFinished(() => redlock.close());
  return redlock;
}

/** The connections of a server on which a client has subscribed to a channel of this library. */
async function subscribers(node: FleetNode): Promise<{ id: string; name: string }[]> {
  const channels = (await node.command('PUBSUB', 'CHANNELS', 'quorlock:wake:*')) as string[];
  if (channels.length === 0) return [];
  const list = String(await node.command('CLIENT', 'LIST'));
  return list.split('\n').flatMap((line) => {
    const field = (name: string) => new RegExp(`(?:^| )${name}=(\\S*)`).exec(line)?.[1] ?? '';
    return Number(field('sub')) > 0 ? [{ id: field('id'), name: field('name') }] : [];
  });
}

/** Who was served, in this order, and who is still waiting. */
class Line {
  readonly served: string[] = [];
  readonly #waits: Promise<void>[] = [];

  /**
   * Asks for a lock, and resolves once a majority of nodes has that in its queue. A node at which the lock is free, since
   * its holder was granted it by the others before it was connected to this one, calls the waiter and has it no more.
   */
  async join(waiter: Redlock, resource: string, name = resource): Promise<void> {
    this.#waits.push(this.#wait(waiter, resource, name));
    await eventually(`${name} waits`, async () => {
      const { processes } = await waiter.waiting(resource);
      return processes.some(({ isOwn, nodes }) => isOwn && nodes > fleet.nodes.length / 2);
    });
  }

  /** Resolves when all have been served. */
  async over(): Promise<void> {
    await Promise.all(this.#waits);
  }

  async #wait(waiter: Redlock, resource: string, name: string): Promise<void> {
    await using _lock = await waiter.acquire(resource, { waitTime: 60_000 });
    this.served.push(name);
  }
}

describe.each([
  { driver: 'ioredis 6, RESP3', connect: (url: string) => new Redis6(url), own: false },
  {
    driver: 'ioredis 6 of a program that speaks RESP2',
    connect: (url: string) => new Redis6(url, { protocol: 2 }),
    own: false,
  },
  { driver: 'ioredis 5', connect: (url: string) => new Redis5(url), own: true },
])('a process that waits, with $driver', ({ connect, own }) => {
  it(`listens on ${own ? 'one connection of its own' : 'the connection that it has'} a node, whatever it waits for`, async () => {
    const clients = fleet.urls.map((url): Redis5 | Redis6 => connect(url));
    onTestFinished(() => {
      for (const client of clients) client.disconnect();
    });
    const holder = open();
    const waiter = open({}, clients);
    const held = await holder.acquire(RESOURCES, { ttl: LONG_TTL_MS, waitTime: 60_000 });
    await expectHeldOnAll(fleet, held);
    const line = new Line();
    await Promise.all(RESOURCES.map((resource) => line.join(waiter, resource)));
    for (const node of fleet.nodes) {
      await eventually('it listens at every node', async () => (await subscribers(node)).length > 0);
      const names = (await subscribers(node)).map(({ name }) => name);
      expect(names).toEqual([own ? 'quorlock:wake' : 'quorlock']);
    }
    await held.release();
    await line.over();
    expect(line.served.toSorted()).toEqual(RESOURCES.toSorted());
    await waiter.close();
    await eventually('no client listens any more', async () =>
      (await Promise.all(fleet.nodes.map(subscribers))).every((list) => list.length === 0),
    );
    await expectNoKeys(fleet);
  });
});

describe('a connection that only listens', () => {
  it('does so at once, without a look at how its server is', async () => {
    const [url = ''] = fleet.urls;
    const monitor = await new Redis6(url).monitor();
    onTestFinished(() => monitor.disconnect());
    const heard: string[] = [];
    monitor.on('monitor', (_time: string, [command = '']: string[], source: string) => {
      if (source !== 'lua') heard.push(command.toLowerCase());
    });
    const clients = fleet.urls.map((each) => new Redis5(each));
    onTestFinished(() => {
      for (const client of clients) client.disconnect();
    });
    const waiter = open({}, clients);
    const holder = open();
    await Promise.all(clients.map((client) => client.ping()));
    // One after the other: the waiter must not have waited yet, or it listens already.
    for (const each of [waiter, holder]) await untilAllVote(each);
    const held = await holder.acquire('listened for', { ttl: LONG_TTL_MS });
    await expectHeldOnAll(fleet, held);
    // The monitor has seen all that was before this.
    await fleet.nodes[0]?.command('ECHO', 'now');
    await eventually('the monitor has seen the echo', () => heard.includes('echo'));
    heard.length = 0;
    const line = new Line();
    await line.join(waiter, 'listened for');
    await held.release();
    await line.over();
    await eventually('the monitor has seen it', () => heard.includes('subscribe'));
    expect(heard).not.toContain('info');
    await expectNoKeys(fleet);
  });
});

describe('waiters whose connections are cut', () => {
  it('are served in their order all the same', async () => {
    const clients = fleet.urls.map((url) => new Redis5(url));
    onTestFinished(() => {
      for (const client of clients) client.disconnect();
    });
    const holder = open();
    const held = await holder.acquire('cut off', { ttl: LONG_TTL_MS });
    await expectHeldOnAll(fleet, held);
    const line = new Line();
    await line.join(open({}, clients), 'cut off', 'first');
    await line.join(open(), 'cut off', 'second');
    for (const node of fleet.nodes) {
      for (const { id } of await subscribers(node)) await node.command('CLIENT', 'KILL', 'ID', id);
    }
    await eventually('they listen again', async () =>
      (await Promise.all(fleet.nodes.map(subscribers))).every((list) => list.length === 2),
    );
    await held.release();
    await line.over();
    expect(line.served).toEqual(['first', 'second']);
    await expectNoKeys(fleet);
  });
});

describe('a holder that is killed', () => {
  it('is followed by the waiters, in their order, when its keys have expired', async () => {
    const ttl = 3_000;
    const child = fork(HOLDER, ['left behind', String(ttl), ...fleet.urls], {
      execArgv: ['--import', 'tsx'],
    });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    await once(child, 'message');
    const line = new Line();
    for (const name of ['first', 'second', 'third']) await line.join(open(), 'left behind', name);
    child.kill('SIGKILL');
    await line.over();
    expect(line.served).toEqual(['first', 'second', 'third']);
    await expectNoKeys(fleet);
  });
});
