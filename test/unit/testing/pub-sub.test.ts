import { describe, expect, it } from 'vitest';
import { Simulation, type SimulationOptions } from '../../../src/testing/index.ts';
import type { SimulatedClient } from '../../../src/testing/simulated-client.ts';
import type { Subscription } from '../../../src/wire/client.ts';
import { batchScript } from '../../../src/wire/scripts.ts';

const CHANNEL = 'quorlock:wake:p';
const HEADER = [' 30000 1000000 3600000 100 1', Number.MAX_SAFE_INTEGER];

/** What a client heard, and what became of its subscription. */
function listen(client: SimulatedClient, channel = CHANNEL): { log: string[]; subscription: Subscription } {
  const log: string[] = [];
  const subscription = client.subscribe(channel, {
    subscribed: () => log.push('subscribed'),
    heard: (message) => log.push(message),
    lost: () => log.push('lost'),
  });
  return { log, subscription };
}

/** One server and one machine that listens to it; messages take a millisecond one way. */
async function scene(network: SimulationOptions['network'] = {}) {
  const simulation = new Simulation({ nodes: 1, network: { latency: { least: 1, most: 1 }, ...network } });
  const [server] = simulation.nodes;
  const machine = simulation.machine();
  const [client] = machine.clients;
  if (server === undefined || client === undefined) throw new Error('there is no node');
  await simulation.advance(10);
  const { log, subscription } = listen(client);
  await simulation.advance(2);
  return { simulation, server, machine, client, log, subscription };
}

describe('a simulated subscription', () => {
  it('is made by the server, which then counts it and sends what is published', async () => {
    const { simulation, server, log } = await scene();
    expect(log).toEqual(['subscribed']);
    expect(server.publish(CHANNEL, 'a')).toBe(1);
    expect(server.publish('another channel', 'b')).toBe(0);
    expect(log).toEqual(['subscribed']);
    await simulation.advance(1);
    expect(log).toEqual(['subscribed', 'a']);
  });

  it('takes a round trip', async () => {
    const simulation = new Simulation({ nodes: 1, network: { latency: { least: 5, most: 5 } } });
    const [client] = simulation.machine().clients;
    if (client === undefined) throw new Error('there is no client');
    await simulation.advance(10);
    const { log } = listen(client);
    await simulation.advance(4.9);
    expect(simulation.nodes[0]?.publish(CHANNEL, 'too early')).toBe(0);
    await simulation.advance(0.2);
    expect(simulation.nodes[0]?.publish(CHANNEL, 'in time')).toBe(1);
    expect(log).toEqual([]);
    await simulation.advance(5);
    expect(log).toEqual(['subscribed', 'in time']);
  });

  it('may be asked for before there is a connection', async () => {
    const simulation = new Simulation({ nodes: 1 });
    const [client] = simulation.machine().clients;
    if (client === undefined) throw new Error('there is no client');
    const { log } = listen(client);
    await simulation.advance(10);
    expect(log).toEqual(['subscribed']);
  });

  it('hears nothing any more once it is closed, and the server soon knows', async () => {
    const { simulation, server, log, subscription } = await scene();
    server.publish(CHANNEL, 'on the way');
    subscription.close();
    subscription.close();
    await simulation.advance(2);
    expect(server.publish(CHANNEL, 'later')).toBe(0);
    await simulation.advance(2);
    expect(log).toEqual(['subscribed']);
  });

  it('closed before the server had it never begins', async () => {
    const { simulation, server, client } = await scene();
    const { log, subscription } = listen(client, 'other');
    subscription.close();
    await simulation.advance(10);
    expect(log).toEqual([]);
    expect(server.publish('other', 'a')).toBe(0);
  });

  it('leaves another one of the same client and channel alone when it is closed', async () => {
    const { simulation, server, client, log, subscription } = await scene();
    const second = listen(client);
    await simulation.advance(2);
    expect(server.publish(CHANNEL, 'both')).toBe(1);
    await simulation.advance(2);
    subscription.close();
    await simulation.advance(2);
    expect(server.publish(CHANNEL, 'one')).toBe(1);
    await simulation.advance(2);
    expect(log).toEqual(['subscribed', 'both']);
    expect(second.log).toEqual(['subscribed', 'both', 'one']);
  });

  it('is lost with the connection, and made anew on the next', async () => {
    const { simulation, server, client, log } = await scene({ reconnectDelay: 50 });
    server.publish(CHANNEL, 'on the way');
    client.disconnect({ requestsArrive: true });
    expect(log).toEqual(['subscribed', 'lost']);
    expect(server.publish(CHANNEL, 'to no subscriber')).toBe(0);
    await simulation.advance(60);
    expect(log).toEqual(['subscribed', 'lost', 'subscribed']);
    expect(server.publish(CHANNEL, 'again')).toBe(1);
    await simulation.advance(1);
    expect(log.at(-1)).toBe('again');
  });

  it('that breaks on its way leaves nothing behind', async () => {
    const { simulation, server, client } = await scene({ reconnectDelay: 50 });
    const { log, subscription } = listen(client, 'other');
    client.disconnect({ requestsArrive: true });
    subscription.close();
    await simulation.advance(20);
    expect(server.publish('other', 'a')).toBe(0);
    expect(log).toEqual([]);
  });

  it('is lost when the server crashes, and made anew at the next process', async () => {
    const { simulation, server, log } = await scene({ reconnectDelay: 50 });
    server.restart({ keepMemory: true });
    expect(server.publish(CHANNEL, 'to no subscriber')).toBe(0);
    await simulation.advance(60);
    expect(log).toEqual(['subscribed', 'lost', 'subscribed']);
    expect(server.publish(CHANNEL, 'again')).toBe(1);
  });

  it('is lost for good when the client is closed', async () => {
    const { simulation, server, client, log } = await scene();
    client.close();
    expect(log).toEqual(['subscribed', 'lost']);
    expect(server.publish(CHANNEL, 'a')).toBe(0);
    await simulation.advance(1_000);
    expect(log).toEqual(['subscribed', 'lost']);
  });

  it('counts over a cut, and what was published meanwhile is heard after it', async () => {
    const { simulation, server, client, log } = await scene();
    client.cut('replies');
    expect(server.publish(CHANNEL, 'a')).toBe(1);
    await simulation.advance(1_000);
    expect(log).toEqual(['subscribed']);
    client.mend();
    await simulation.advance(1);
    expect(log).toEqual(['subscribed', 'a']);
  });

  it('of a paused machine counts, and is heard when the machine goes on', async () => {
    const { simulation, server, machine, log } = await scene();
    machine.pause(500);
    expect(server.publish(CHANNEL, 'a')).toBe(1);
    await simulation.advance(499);
    expect(log).toEqual(['subscribed']);
    await simulation.advance(2);
    expect(log).toEqual(['subscribed', 'a']);
  });

  it('of a killed machine counts no more', async () => {
    const { simulation, server, machine, client } = await scene();
    listen(client, 'on its way');
    machine.kill();
    await simulation.advance(1_000);
    expect(server.publish(CHANNEL, 'a')).toBe(0);
    expect(server.publish('on its way', 'a')).toBe(0);
  });

  it('waits for a paused server', async () => {
    const { simulation, server, client } = await scene();
    server.pause();
    const { log } = listen(client, 'other');
    await simulation.advance(100);
    expect(log).toEqual([]);
    server.resume();
    await simulation.advance(2);
    expect(log).toEqual(['subscribed']);
  });

  it('loses the messages that the network loses, but is made all the same', async () => {
    const { simulation, server, client, log } = await scene({ loss: 1 });
    expect(log).toEqual(['subscribed']);
    expect(server.publish(CHANNEL, 'lost')).toBe(1);
    client.rules.loss = 0;
    server.publish(CHANNEL, 'not lost');
    await simulation.advance(10);
    expect(log).toEqual(['subscribed', 'not lost']);
  });

  it('hears a message again where the network doubles, and not if it is closed by then', async () => {
    const { simulation, server, log, subscription } = await scene({
      doubling: 1,
      doublingDelay: { least: 20, most: 20 },
    });
    server.publish(CHANNEL, 'twice');
    await simulation.advance(10);
    expect(log).toEqual(['subscribed', 'twice']);
    await simulation.advance(15);
    expect(log).toEqual(['subscribed', 'twice', 'twice']);
    server.publish(CHANNEL, 'once');
    await simulation.advance(10);
    subscription.close();
    await simulation.advance(100);
    expect(log).toEqual(['subscribed', 'twice', 'twice', 'once']);
  });

  it('keeps messages in order, unless they may overtake', async () => {
    const heard = async (overtaking: number) => {
      const { simulation, server, log } = await scene({ overtaking, latency: { least: 0, most: 50 } });
      await simulation.advance(200);
      for (let message = 0; message < 20; message += 1) server.publish(CHANNEL, String(message).padStart(2));
      await simulation.advance(100);
      return log.slice(1);
    };
    const inOrder = await heard(0);
    expect(inOrder).toHaveLength(20);
    expect(inOrder).toEqual([...inOrder].sort());
    const overtaken = await heard(1);
    expect(overtaken).not.toEqual(inOrder);
    expect([...overtaken].sort()).toEqual(inOrder);
  });

  it('hears a script call it before the reply of that call, on the connection of both', async () => {
    const { simulation, server, client, log } = await scene();
    const run = (...operation: (string | number)[]) =>
      client.eval(batchScript.source, ['k', 'q'], [...HEADER, ...operation]);
    const released = simulation.until(
      Promise.all([
        run('acquire', 1, 'v', 10_000, ''),
        run('contend', 1, 'w', 10_000, '', 'p.7', 1, ''),
        run('release', 1, 'v', 0, '').then((reply) => {
          log.push('reply');
          return reply;
        }),
      ]),
    );
    const [, , reply] = await released;
    expect(log).toEqual(['subscribed', '7', 'reply']);
    expect(reply).toEqual([expect.any(Number), [1, 1, 1]]);
    expect(server.store.get('k')).toBe('~p.7:1');
    expect(server.store.keys()).toEqual(['k']);
  });
});

describe('the trace', () => {
  it('tells of what is published, and of every operation that has to do with waiting', async () => {
    const lines: string[] = [];
    const simulation = new Simulation({
      nodes: 1,
      trace: (line) => lines.push(line.replace(/^.*:6379 +/, '')),
    });
    const [client] = simulation.machine().clients;
    if (client === undefined) throw new Error('there is no client');
    await simulation.advance(10);
    listen(client);
    await simulation.advance(10);
    const call = [
      ...['acquire', 1, 'process.v', 9_000, ''],
      ...['contend', 1, 'process.w', 9_000, '', 'p.7', 12, 'process.u'],
      ...['enter', 1, 'process.8', 34, ''],
      ...['waiting', 1, '', 0, ''],
      ...['leave', 1, 'process.8', 0, ''],
      ...['release', 1, 'process.v', 0, ''],
    ];
    const keys = Array.from({ length: 6 }, () => ['k', 'q']).flat();
    await simulation.until(client.eval(batchScript.source, keys, [...HEADER, ...call]));
    expect(lines).toEqual([
      'subscribe quorlock:wake:p',
      'publish "7" on quorlock:wake:p: sent to 1',
      'for machine 1: ' +
        [
          'acquire k (value cess.v, ttl 9000): granted, counter 0',
          'contend k (value cess.w, ttl 9000, waiter p.7 since 12, after cess.u): held, remainingTtl 9000, rank 0, queues 1',
          'enter k (waiter cess.8 since 34): granted, counter 1',
          'waiting k: granted, counter 2, waiters p.7 < cess.8',
          'leave k (waiter cess.8): granted, counter 1',
          'release k (value cess.v): granted, counter 1, notified true',
        ].join('; '),
    ]);
  });
});
