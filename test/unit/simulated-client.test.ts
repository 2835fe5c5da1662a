import { describe, expect, it } from 'vitest';
import { runScript } from '../../src/wire/run.ts';
import { batchScript } from '../../src/wire/scripts.ts';
import { World } from './world.ts';

const HEADER = [' 30000 1000000 3600000 100 1', Number.MAX_SAFE_INTEGER];

function acquire(world: World, value: string): Promise<unknown> {
  return runScript(
    world.client(0),
    batchScript,
    ['key', 'queue'],
    [...HEADER, 'acquire', 1, value, 10_000, ''],
  );
}

async function connectedWorld(rules: ConstructorParameters<typeof World>[1] = {}): Promise<World> {
  const world = new World(1, rules);
  await world.clock.advance(200);
  await world.clock.runUntil(world.client(0).eval(batchScript.source, [], HEADER));
  await world.clock.advance(200);
  return world;
}

describe('a simulated client', () => {
  it('connects, tells of it, and gets answers after a round trip', async () => {
    const world = new World(1, { latency: { least: 3, most: 3 } });
    const states: string[] = [];
    world.client(0).onStateChange(() => states.push(world.client(0).state));
    expect(world.client(0).state).toBe('connecting');
    await world.clock.advance(6);
    expect(states).toEqual(['ready']);
    const sentAtMs = world.clock.monotonic();
    await world.clock.runUntil(world.client(0).eval(batchScript.source, [], HEADER));
    expect(world.clock.monotonic() - sentAtMs).toBe(6);
  });

  it('keeps commands in order, whatever the latency', async () => {
    const world = await connectedWorld({ latency: { least: 0, most: 50 } });
    const settled: number[] = [];
    const asked = Array.from({ length: 50 }, (_, index) =>
      acquire(world, `v${index}`).then((answer) => {
        settled.push(index);
        return answer;
      }),
    );
    const answers = await world.clock.runUntil(Promise.all(asked));
    expect(settled).toEqual(asked.map((_, index) => index));
    const codes = answers.map((answer) => (answer as number[][])[1]?.[0] ?? 'granted');
    expect(codes).toEqual(['granted', ...new Array(49).fill(2)]);
  });

  it('refuses commands while there is no connection', async () => {
    const world = new World(1);
    await expect(acquire(world, 'v')).rejects.toThrow('there is no connection to node-1:6379');
  });

  it('fails what was not answered when the server crashes, and connects to the next process', async () => {
    const world = await connectedWorld({ latency: { least: 1, most: 1 }, reconnectDelay: 50 });
    const asked = expect(acquire(world, 'v')).rejects.toThrow('the server closed the connection');
    world.server(0).crash();
    await world.clock.advance(5);
    await asked;
    expect(world.client(0).state).toBe('down');
    expect(world.server(0).store.get('key')).toBeUndefined();
    const { runId } = world.server(0);
    world.server(0).restart({ keepMemory: true });
    expect(world.server(0).runId).not.toBe(runId);
    await world.clock.advance(100);
    expect(world.client(0).state).toBe('ready');
    await expect(world.clock.runUntil(world.client(0).evalsha(batchScript.sha1, [], HEADER))).rejects.toThrow(
      'NOSCRIPT',
    );
  });

  it.each([
    { requestsArrive: true, key: 'v' },
    { requestsArrive: false, key: undefined },
  ])(
    'breaks a connection so that requests on the way arrive: $requestsArrive',
    async ({ requestsArrive, key }) => {
      const world = await connectedWorld();
      const asked = expect(acquire(world, 'v')).rejects.toThrow('the connection was reset');
      world.client(0).disconnect({ requestsArrive });
      await world.clock.advance(10);
      await asked;
      expect(world.server(0).store.get('key')).toBe(key);
    },
  );

  it('holds what can get through a cut, and neither end notices', async () => {
    const world = await connectedWorld();
    world.client(0).cut('replies');
    let answered = false;
    const asked = acquire(world, 'v').then(() => {
      answered = true;
    });
    await world.clock.advance(1_000);
    expect(answered).toBe(false);
    expect(world.client(0).state).toBe('ready');
    expect(world.server(0).store.get('key')).toBe('v');
    world.client(0).mend();
    await world.clock.runUntil(asked);
    world.client(0).cut('requests');
    void acquire(world, 'w').catch(() => undefined);
    await world.clock.advance(20_000);
    expect(world.server(0).store.get('key')).toBeUndefined();
    world.client(0).mend();
    await world.clock.advance(10);
    expect(world.server(0).store.get('key')).toBe('w');
  });

  it('waits for a paused server, which then does what it was asked meanwhile', async () => {
    const world = await connectedWorld();
    world.server(0).pause();
    const asked = acquire(world, 'v');
    await world.clock.advance(1_000);
    expect(world.server(0).store.get('key')).toBeUndefined();
    world.server(0).resume();
    await world.clock.runUntil(asked);
    expect(world.server(0).store.get('key')).toBe('v');
  });

  it('has the server do commands a second time, some time later', async () => {
    const world = await connectedWorld({ doubling: 1, doublingDelay: { least: 10, most: 10 } });
    const before = world.server(0).commands;
    await world.clock.runUntil(acquire(world, 'v'));
    world.server(0).store.delete('key');
    await world.clock.advance(20);
    expect(world.server(0).commands - before).toBe(2);
    expect(world.server(0).store.get('key')).toBe('v');
  });

  it('sends commands again on the next connection if it is a careless driver', async () => {
    const world = await connectedWorld({ resends: true });
    const asked = acquire(world, 'v');
    world.client(0).disconnect({ requestsArrive: false });
    await world.clock.runUntil(asked);
    expect(world.server(0).store.get('key')).toBe('v');
  });

  it('gets nothing while its machine is paused, and everything after it', async () => {
    const world = await connectedWorld();
    let answered = false;
    const asked = acquire(world, 'v').then(() => {
      answered = true;
    });
    await world.clock.pause(1_000);
    expect(answered).toBe(false);
    expect(world.server(0).store.get('key')).toBe('v');
    await world.clock.advance(0);
    await asked;
    expect(answered).toBe(true);
  });

  it('ends for good when it is closed', async () => {
    const world = await connectedWorld();
    const asked = expect(acquire(world, 'v')).rejects.toThrow('the client was closed');
    world.client(0).close();
    await asked;
    expect(world.client(0).state).toBe('ended');
    await world.clock.runAll();
    expect(world.client(0).state).toBe('ended');
  });
});
