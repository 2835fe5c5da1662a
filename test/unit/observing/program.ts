import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { World } from '../world.ts';
import { logLocks } from './snippets/log.ts';
import { serveMetrics } from './snippets/metrics.ts';
import { current } from './snippets/store.ts';

/*
 * A program with the snippets of docs/observing.md, which prints what they tell. They listen for as long as their
 * process runs: other tests must not be in it.
 */

async function metrics(): Promise<string> {
  const world = new World(3);
  const redlock = world.redlock();
  const server = serveMetrics(redlock).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const acquiring = redlock.acquire('order:1');
    await world.clock.advance(100);
    await acquiring;
    await Promise.all([redlock.close(), world.clock.advance(1_000)]);
    const { port } = server.address() as AddressInfo;
    return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function lines(): Promise<readonly string[]> {
  const world = new World(3);
  const redlock = world.redlock();
  const logged: string[] = [];
  logLocks((line) => logged.push(line));
  const acquiring = redlock.acquire('r', { ttl: 1_000 });
  await world.clock.advance(2_000);
  await acquiring;
  world.holdElsewhere('lock:s', 60_000);
  const waiting = redlock.tryAcquire('s');
  await world.clock.advance(100);
  await waiting;
  return logged;
}

async function tokens() {
  const world = new World(3);
  const using = world.redlock().using('r', async (lock) => [lock.token, current.getStore()?.token]);
  await world.clock.advance(100);
  const [token, told] = await using;
  return { token, told, isOver: current.getStore() === undefined };
}

console.log(JSON.stringify({ metrics: await metrics(), lines: await lines(), tokens: await tokens() }));
