import { describe, expect, it } from 'vitest';
import type { RedlockWarning } from '../../src/base/warning.ts';
import { parseMarker } from '../../src/node/marker.ts';
import type { RedlockOptions } from '../../src/redlock/options.ts';
import { Redlock } from '../../src/redlock.ts';
import type { Machine } from '../../src/testing/machine.ts';
import { SimulatedClient } from '../../src/testing/simulated-client.ts';
import { Listener } from '../support/heard.ts';
import { expectNoTimers } from '../support/timers.ts';
import { delay, statesOf } from './failures/scene.ts';
import { ProcessClock } from './process-clock.ts';
import { World } from './world.ts';

const MARKER = 'quorlock:node';
const GRACE_MS = 3_000;
const CLAIM_MS = 2_000;
/** Of the default maxTtl. */
const QUARANTINE_MS = 30_000 * 1.01 + 2_100;
const OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'";

/** A program on a machine of its own. */
function program(world: World, options: RedlockOptions = {}, machine: Machine = world.machine()): Redlock {
  return world.redlock({ quarantine: 'auto', ...options }, machine);
}

/** A program on the first machine, with clients of its own. */
function programOver(
  world: World,
  clients: readonly SimulatedClient[],
  onWarning: (warning: RedlockWarning) => void = () => undefined,
): Redlock {
  return new Redlock(clients, { clock: world.clock, random: world.random.fork(), onWarning });
}

/** Servers that no client has used, but for their scripts. */
async function unused(nodeCount = 3): Promise<World> {
  const world = new World(nodeCount);
  const redlock = world.redlock({}, world.machine());
  await world.clock.runUntil(redlock.inspect('r'));
  await world.clock.runUntil(redlock.close());
  return world;
}

/** A deployment that a client has started, which is gone. */
async function inUse(nodeCount = 3): Promise<World> {
  const world = await unused(nodeCount);
  const first = program(world);
  await world.clock.runUntil(first.acquire('first'));
  await world.clock.runUntil(first.close());
  await world.clock.advance(1_000);
  return world;
}

const markersOf = (world: World) => world.valuesOf(MARKER);

/** What each node says to an attempt, by its reason where it has one. Takes no lock that stays. */
async function answersTo(world: World, redlock: Redlock): Promise<readonly string[]> {
  try {
    const lock = await world.clock.runUntil(redlock.acquire('r', { waitTime: 0 }));
    await world.clock.runUntil(lock.release());
    return [];
  } catch (error) {
    const { votes } = error as { votes: readonly { outcome: string; message?: string }[] };
    return votes.map(({ outcome, message }) => message ?? outcome);
  }
}

/** Writes down what a program writes to a node, and may do something to the server just before. */
function listen(client: SimulatedClient | undefined, before: (state: string) => void = () => undefined) {
  if (client === undefined) throw new RangeError('there is no such node');
  const written: string[] = [];
  const send = client.evalsha.bind(client);
  client.evalsha = (sha1, keys, args) => {
    const state = parseMarker(String(args[0]))?.state;
    if (state !== undefined) {
      written.push(state);
      before(state);
    }
    return send(sha1, keys, args);
  };
  return written;
}

/** The same server under another address. */
class Alias extends SimulatedClient {
  override readonly address = 'alias:6379';
}

class ClusterClient extends SimulatedClient {
  override readonly isCluster = true;
}

class ClusterAlias extends ClusterClient {
  override readonly address = 'alias:6379';
}

describe('a node so far away that no marker can be written in time', () => {
  const FAR = /^its marker could not be written within 500 ms of a look at it: .* too far away/;

  function restart(world: World): void {
    world.server(0).crash();
    world.server(0).restart({ keepMemory: true });
  }

  async function farNode(world: World, state: (world: World) => void) {
    world.client(0).rules.latency = { least: 300, most: 300 };
    state(world);
    const warnings: RedlockWarning[] = [];
    const redlock = programOver(world, world.clients, (warning) => void warnings.push(warning));
    return { redlock, warnings };
  }

  const whyOf = async (world: World, redlock: Redlock) =>
    (await world.clock.runUntil(redlock.status())).nodes[0]?.why;

  it.each<[string, (world: World) => void]>([
    ['emptied', (world) => world.server(0).flushAll()],
    ['restarted', (world) => restart(world)],
  ])('does not vote after it was %s, and says why for as long as that is so', async (_, lose) => {
    const world = await inUse();
    const { redlock, warnings } = await farNode(world, lose);
    for (let look = 0; look < 20; look += 1) {
      await world.clock.advance(look === 0 ? 5_000 : 2_930);
      expect(await whyOf(world, redlock)).toMatch(FAR);
    }
    expect(
      warnings.map(({ message }) => message).filter((message) => /too far away/.test(message)),
    ).toHaveLength(1);
    await world.clock.runUntil(redlock.close());
  });

  it('keeps a new deployment from starting, and says so', async () => {
    const world = await unused();
    const { redlock } = await farNode(world, () => undefined);
    await world.clock.advance(10_000);
    expect(await whyOf(world, redlock)).toMatch(FAR);
    expect((await answersTo(world, redlock))[0]).toMatch(FAR);
    await world.clock.runUntil(redlock.close());
  });

  it('votes once it is nearer', async () => {
    const world = await inUse();
    const { redlock } = await farNode(world, () => world.server(0).flushAll());
    await world.clock.advance(5_000);
    world.client(0).rules.latency = { least: 1, most: 1 };
    await world.clock.advance(QUARANTINE_MS + 2_000);
    expect(await whyOf(world, redlock)).toBeUndefined();
    await world.clock.runUntil(redlock.close());
  });
});

describe('a replica among the nodes', () => {
  it('does not vote, and the reason says to give a master', async () => {
    const world = await inUse();
    world.server(0).becomeReplica();
    world.server(1).crash();
    const answers = await answersTo(world, program(world));
    expect(answers[0]).toMatch(/^it is a slave, .*Give the address of a master$/);
  });

  it('votes soon after it has become a master, on the same connection', async () => {
    const world = await inUse();
    world.server(0).becomeReplica();
    const redlock = program(world);
    await answersTo(world, redlock);
    world.server(0).becomeMaster();
    await world.clock.advance(600);
    world.server(1).crash();
    expect(await answersTo(world, redlock)).toEqual([]);
  });

  it('does not keep the others from being started', async () => {
    const world = await unused();
    world.server(2).becomeReplica();
    const redlock = program(world);
    expect(await answersTo(world, redlock)).toEqual([]);
    expect(statesOf(world)).toEqual(['active', 'active', undefined]);
  });
});

describe('a server that is given twice', () => {
  function twice(world: World): Redlock {
    const alias = new Alias(world.server(0), world.clock, world.random.fork());
    return programOver(world, [...world.clients.slice(0, 2), alias]);
  }

  it('has one vote in a deployment that is in use', async () => {
    const world = await inUse();
    const redlock = twice(world);
    await answersTo(world, redlock);
    world.server(1).crash();
    const refusals = (await answersTo(world, redlock)).filter((answer) => answer.includes('same server as'));
    expect(refusals).toHaveLength(1);
  });

  it('has one vote in a deployment that is new', async () => {
    const world = await unused(2);
    const redlock = twice(world);
    expect(await answersTo(world, redlock)).toEqual([]);
    world.server(1).crash();
    await world.clock.advance(10);
    const refusals = (await answersTo(world, redlock)).filter((answer) => answer.includes('same server as'));
    expect(refusals).toHaveLength(1);
  });
});

describe('a Redis Cluster', () => {
  const clusters = ({ clock, random, servers }: World) =>
    servers.map((server) => new ClusterClient(server, clock, random.fork()));

  it('votes at once, and is given no marker, not by initialize() either', async () => {
    const world = new World(3);
    const redlock = programOver(world, clusters(world));
    expect(await answersTo(world, redlock)).toEqual([]);
    await world.clock.runUntil(redlock.initialize());
    expect(markersOf(world)).toEqual([undefined, undefined, undefined]);
  });

  it('is not judged by the one server of it that was looked at', async () => {
    const world = new World(3);
    const warnings: string[] = [];
    world.server(0).maxmemory = 1_000;
    world.server(0).maxmemoryPolicy = 'allkeys-lru';
    world.server(1).wall.step(86_400_000);
    const redlock = programOver(world, clusters(world), ({ code }) => warnings.push(code));
    expect(await answersTo(world, redlock)).toEqual([]);
    expect(warnings.filter((code) => /EVICTION|CLOCK/.test(code))).toEqual([]);
  });

  it('votes though the server that was looked at is a replica, or the same for two of them', async () => {
    const world = new World(3);
    world.server(2).becomeReplica();
    const [first, , third] = clusters(world);
    const alias = new ClusterAlias(world.server(0), world.clock, world.random.fork());
    const redlock = programOver(
      world,
      [first, third, alias].filter((client) => client !== undefined),
    );
    const { nodes } = await world.clock.runUntil(redlock.inspect('r'));
    expect(nodes.map(({ state }) => state)).toEqual(['free', 'free', 'free']);
  });
});

describe('a node that may evict keys, or whose clock is far off', () => {
  it('is warned of', async () => {
    const world = await inUse();
    const warnings: RedlockWarning[] = [];
    world.server(0).maxmemory = 1_000;
    world.server(0).maxmemoryPolicy = 'allkeys-lru';
    world.server(1).wall.step(86_400_000);
    const redlock = program(world, { onWarning: (warning) => warnings.push(warning) });
    await world.clock.runUntil(redlock.acquire('r'));
    expect(warnings.map(({ code }) => code).toSorted()).toEqual([
      'QUORLOCK_CLOCKS_APART',
      'QUORLOCK_EVICTION',
    ]);
  });
});

describe('a node whose clock went wrong', () => {
  it('does not count for maxTtl and the full drift', async () => {
    const world = await inUse();
    const redlock = program(world);
    await world.clock.runUntil(redlock.acquire('first'));
    world.server(0).wall.step(60_000);
    await world.clock.runUntil(redlock.inspect('r'));
    const wrongAtMs = world.clock.monotonic();
    world.server(1).crash();
    const isLeftOut = async () =>
      (await answersTo(world, redlock)).some((answer) => answer.includes('clock'));
    await world.clock.advance(30_300 - 100 - (world.clock.monotonic() - wrongAtMs));
    expect(await isLeftOut()).toBe(true);
    await world.clock.advance(200);
    expect(await isLeftOut()).toBe(false);
  });
});

describe('a new deployment of which one node does not answer', () => {
  it('waits for it, says which one, and starts as soon as it comes', async () => {
    const world = await unused();
    world.server(2).crash();
    const redlock = program(world);
    await world.clock.advance(GRACE_MS - 500);
    const [first, second] = await answersTo(world, redlock);
    expect(first).toContain("node-3:6379 can't be asked. Start what is missing");
    expect(second).toBe(first);
    expect(markersOf(world).slice(0, 2)).toEqual([undefined, undefined]);
    world.server(2).restart({ keepMemory: true });
    await world.clock.advance(200);
    expect(statesOf(world)).toEqual(['active', 'active', 'active']);
    expect(await answersTo(world, redlock)).toEqual([]);
  });

  it.each([
    ['is down', (world: World) => world.server(2).crash(), GRACE_MS],
    ['hangs', (world: World) => world.server(2).pause(), GRACE_MS + 1_000],
  ])(
    'waits no longer than three seconds from when it %s, then has the others join',
    async (_, fail, untilMs) => {
      const world = await unused();
      fail(world);
      program(world);
      await world.clock.advance(untilMs - 100);
      expect(markersOf(world).slice(0, 2)).toEqual([undefined, undefined]);
      await world.clock.advance(200);
      const states = world.servers
        .slice(0, 2)
        .map(({ store }) => parseMarker(store.get(MARKER) ?? '')?.state);
      expect(states).toEqual(['joining', 'joining']);
    },
  );
});

describe('a new deployment', () => {
  it('is used a few milliseconds after the first look at it', async () => {
    const world = await unused();
    const redlock = program(world);
    const startedAtMs = world.clock.monotonic();
    await world.clock.runUntil(redlock.acquire('r'));
    expect(world.clock.monotonic() - startedAtMs).toBeLessThan(20);
  });

  it('whose nodes refuse to write is not started before they do, and says why', async () => {
    const world = await unused();
    for (const { store } of world.servers) store.writeError = OUT_OF_MEMORY;
    const redlock = program(world);
    const answers = await answersTo(world, redlock);
    for (const answer of answers.slice(0, 2)) {
      expect(answer).toContain(`its marker could not be written: ${OUT_OF_MEMORY}`);
    }
    for (const { store } of world.servers) store.writeError = undefined;
    await world.clock.advance(300);
    expect(statesOf(world)).toEqual(['active', 'active', 'active']);
    expect(await answersTo(world, redlock)).toEqual([]);
  });

  it('is left to a program that has claimed its first node just now', async () => {
    const world = await unused();
    const [first = 0, ...others] = [0, 1, 2].toSorted((a, b) =>
      world.server(a).runId < world.server(b).runId ? -1 : 1,
    );
    const slow = world.machine();
    delay(slow, others, 'starting', 300);
    program(world, {}, slow);
    await world.clock.advance(50);
    const claim = markersOf(world)[first];
    const redlock = program(world);
    await world.clock.advance(200);
    expect(markersOf(world)[first]).toBe(claim);
    expect(others.map((index) => markersOf(world)[index])).toEqual([undefined, undefined]);
    await world.clock.advance(200);
    expect(statesOf(world)).toEqual(['active', 'active', 'active']);
    expect(await answersTo(world, redlock)).toEqual([]);
  });

  it('is left to a program whose claim came first by a moment', async () => {
    const world = await unused();
    const winner = world.machine();
    const loser = world.machine();
    delay(winner, [0, 1, 2], 'active', 400);
    delay(loser, [0, 1, 2], 'starting', 20);
    program(world, {}, winner);
    const redlock = program(world, {}, loser);
    await world.clock.advance(15);
    const claims = markersOf(world);
    expect(statesOf(world)).toEqual(['starting', 'starting', 'starting']);
    await world.clock.advance(300);
    expect(markersOf(world)).toEqual(claims);
    await world.clock.advance(200);
    expect(statesOf(world)).toEqual(['active', 'active', 'active']);
    expect(await answersTo(world, redlock)).toEqual([]);
  });

  it('is left to a program whose claim on the first node came first by a moment, be it slow with the others', async () => {
    const world = await unused();
    const [first = 0, ...others] = [0, 1, 2].toSorted((a, b) =>
      world.server(a).runId < world.server(b).runId ? -1 : 1,
    );
    const winner = world.machine();
    const loser = world.machine();
    delay(winner, others, 'starting', 300);
    delay(loser, [first], 'starting', 20);
    program(world, {}, winner);
    program(world, {}, loser);
    await world.clock.advance(15);
    const claim = markersOf(world)[first];
    expect(claim).toMatch(/^starting /);
    await world.clock.advance(250);
    expect(markersOf(world)[first]).toBe(claim);
    await world.clock.advance(200);
    expect(statesOf(world)).toEqual(['active', 'active', 'active']);
  });

  it.each([1, 3])('that another client has started in the end is used as it is: %i nodes', async (count) => {
    const world = await unused(count);
    const mark = (state: string) => {
      for (const { store, runId } of world.servers) {
        store.set(MARKER, `${state} ${runId} another ${count} 30000`);
      }
    };
    mark('starting');
    const machine = world.machine();
    const written = machine.clients.map((client) => listen(client));
    delay(machine, [...Array(count).keys()], 'active', 300);
    const redlock = program(world, {}, machine);
    await world.clock.advance(CLAIM_MS + 100);
    mark('active');
    const markers = markersOf(world);
    await world.clock.advance(400);
    expect(written).toEqual(Array(count).fill(['starting', 'active']));
    expect(await answersTo(world, redlock)).toEqual([]);
    expect(markersOf(world)).toEqual(markers);
  });

  it("is not started under quarantine 'strict' if its quarantine can't be written at first", async () => {
    const world = await unused();
    const machine = world.machine();
    for (const client of machine.clients) {
      let isFirst = true;
      listen(client, () => {
        if (!isFirst) return;
        isFirst = false;
        throw new Error('the command queue is full');
      });
    }
    program(world, { quarantine: 'strict' }, machine);
    await world.clock.advance(500);
    expect(statesOf(world)).toEqual(['joining', 'joining', 'joining']);
  });

  it('that is half started is waited for, and no node of it is quarantined', async () => {
    const world = await unused();
    const slow = world.machine();
    delay(slow, [2], 'active', 300);
    program(world, {}, slow);
    await world.clock.advance(50);
    expect(statesOf(world)).toEqual(['active', 'active', 'starting']);
    const redlock = program(world);
    await world.clock.advance(500);
    expect(statesOf(world)).toEqual(['active', 'active', 'active']);
    world.server(0).crash();
    expect(await answersTo(world, redlock)).toEqual([]);
  });
});

describe('a deployment that is in use', () => {
  it('costs a program that comes to it one look at each node, and no marker', async () => {
    const world = await inUse();
    const markers = markersOf(world);
    const before = world.commands;
    program(world);
    await world.clock.advance(5_000);
    expect(world.commands.map((count, index) => count - (before[index] ?? 0))).toEqual([1, 1, 1]);
    expect(markersOf(world)).toEqual(markers);
  });

  it('is not given markers of a shorter maxTtl', async () => {
    const world = await inUse();
    const markers = markersOf(world);
    const redlock = program(world, { maxTtl: 10_000 });
    expect(await answersTo(world, redlock)).toEqual([]);
    expect(markersOf(world)).toEqual(markers);
  });
});

/** A deployment of which the first node is emptied, and programs that notice it at the same moment. */
async function afterFlush(programs: readonly Redlock[], world: World): Promise<void> {
  for (const redlock of programs)
    await world.clock.runUntil(redlock.acquire(`first of ${programs.indexOf(redlock)}`));
  await world.clock.advance(100);
  world.server(0).flushAll();
  await world.clock.runUntil(
    Promise.all(programs.map((redlock, index) => redlock.acquire(`second of ${index}`))),
  );
  await world.clock.advance(10);
  expect(statesOf(world)).toEqual(['joining', 'active', 'active']);
}

describe('a quarantine', () => {
  it('is ended by the one program that watches it, to the moment', async () => {
    const world = await inUse();
    await afterFlush([program(world)], world);
    await world.clock.advance(QUARANTINE_MS - 50);
    expect(statesOf(world)[0]).toBe('joining');
    await world.clock.advance(60);
    expect(statesOf(world)[0]).toBe('active');
  });

  it('makes the node one of those that vote', async () => {
    const world = await inUse();
    const redlock = program(world);
    await afterFlush([redlock], world);
    await world.clock.advance(QUARANTINE_MS + 10);
    world.server(1).crash();
    await world.clock.advance(10);
    const { nodes } = await world.clock.runUntil(redlock.inspect('r'));
    expect(nodes.map(({ state }) => state)).toEqual(['free', 'unknown', 'free']);
    expect(await answersTo(world, redlock)).toEqual([]);
  });

  it('is no longer told of once it is over, by a node that is only slow', async () => {
    const world = await inUse();
    const machine = world.machine();
    const redlock = program(world, {}, machine);
    await afterFlush([redlock], world);
    await world.clock.advance(QUARANTINE_MS + 10);
    world.holdElsewhere('lock:r', 30_000, world.servers.slice(1));
    machine.clients.slice(0, 1).forEach(({ rules }) => {
      rules.latency = { least: 20, most: 20 };
    });
    expect(await answersTo(world, redlock)).toEqual(['pending', 'held', 'held']);
  });

  it('is told of while its marker is on the way to the node', async () => {
    const world = await inUse();
    const machine = world.machine();
    const redlock = program(world, {}, machine);
    await world.clock.runUntil(redlock.acquire('first'));
    world.holdElsewhere('lock:r', 30_000, world.servers.slice(1));
    world.server(0).flushAll();
    delay(machine, [0], 'joining', 300);
    machine.clients[0]?.disconnect({ requestsArrive: true });
    await world.clock.advance(100);
    const [answer] = await answersTo(world, redlock);
    expect(answer).toContain('it has no valid marker: it is new here, restarted or was emptied');
  });

  it('costs each program a look in half a second', async () => {
    const world = await inUse();
    const random = { fraction: () => 0.9, identifier: () => world.random.identifier() };
    const programs = [program(world, { random }), program(world, { random })];
    await afterFlush(programs, world);
    const before = world.server(0).commands;
    await world.clock.advance(QUARANTINE_MS + 2_000);
    expect(world.server(0).commands - before).toBeLessThan(2 * (QUARANTINE_MS / 500 + 5));
  });

  it('is ended by the client that began it: the others leave it the lead', async () => {
    const world = await inUse();
    // Both notice at the same moment, and would end it at the same moment.
    const network = { latency: { least: 1, most: 1 } };
    const machines = [world.machine({ network }), world.machine({ network })];
    const random = { fraction: () => 0.9, identifier: () => world.random.identifier() };
    const programs = machines.map((machine) => program(world, { random }, machine));
    await afterFlush(programs, world);
    const written = machines.map(({ clients }) => listen(clients[0]));
    await world.clock.advance(QUARANTINE_MS + 10);
    expect(statesOf(world)[0]).toBe('active');
    await world.clock.advance(2_000);
    expect(written.flat()).toEqual(['active']);
  });

  it('is ended by another program if the one that began it is gone', async () => {
    const world = await inUse();
    const first = program(world);
    await afterFlush([first], world);
    const other = program(world);
    await world.clock.advance(100);
    await world.clock.runUntil(first.close());
    await world.clock.advance(QUARANTINE_MS + 600);
    expect(statesOf(world)[0]).toBe('active');
    world.server(1).crash();
    expect(await answersTo(world, other)).toEqual([]);
  });

  it('begins again within a second when the node is emptied once more', async () => {
    const world = await inUse();
    await afterFlush([program(world)], world);
    await world.clock.advance(10_000);
    world.server(0).flushAll();
    await world.clock.advance(1_000);
    expect(statesOf(world)[0]).toBe('joining');
    await world.clock.advance(QUARANTINE_MS - 1_100);
    expect(statesOf(world)[0]).toBe('joining');
    await world.clock.advance(1_100);
    expect(statesOf(world)[0]).toBe('active');
  });

  it('begins again from then if it is another node that makes that noticed', async () => {
    const world = await inUse(5);
    const redlock = program(world);
    await world.clock.runUntil(redlock.acquire('first'));
    world.server(0).flushAll();
    await world.clock.runUntil(redlock.acquire('second'));
    await world.clock.advance(10);
    expect(statesOf(world)[0]).toBe('joining');
    // Just after a look at the first node, which is not looked at by itself for half a second.
    await world.clock.advance(30_001);
    world.server(0).flushAll();
    world.client(1).disconnect({ requestsArrive: true });
    world.server(1).flushAll();
    await world.clock.runUntil(redlock.acquire('third'));
    await world.clock.advance(10);
    expect(statesOf(world).slice(0, 2)).toEqual(['joining', 'joining']);
    await world.clock.advance(QUARANTINE_MS - 100);
    expect(statesOf(world).slice(0, 2)).toEqual(['joining', 'joining']);
    await world.clock.advance(200);
    expect(statesOf(world).slice(0, 2)).toEqual(['active', 'active']);
  });

  it('does not come back by a look from before its end, which waited for slower nodes', async () => {
    const world = await inUse();
    const { store, runId, address } = world.server(0);
    const mark = (state: string) => store.set(MARKER, `${state} ${runId} another 3 30000`);
    mark('joining');
    using changes = new Listener(['quorlock:node']);
    const states = () =>
      changes.on('quorlock:node').flatMap(({ node, state }) => (node === address ? [state] : []));
    const machine = world.machine();
    const redlock = program(world, {}, machine);
    await world.clock.runUntil(redlock.acquire('first'));
    await world.clock.advance(400);
    // The loss of another node's memory makes all be looked at; one of them answers after 600 ms.
    const speedUp = delay(machine, [2], 'look', 600);
    world.server(1).flushAll();
    machine.clients[1]?.disconnect({ requestsArrive: true });
    await world.clock.advance(70);
    speedUp();
    mark('active');
    // The next look at the first node by itself.
    await world.clock.advance(70);
    expect(states()).toEqual(['quarantined', 'up']);
    await world.clock.advance(700);
    expect(states()).toEqual(['quarantined', 'up']);
  });

  it('of all nodes is no obstacle to a start that its client gave up after they were emptied', async () => {
    const world = await unused();
    const mark = (state: string) => {
      for (const { store, runId } of world.servers) store.set(MARKER, `${state} ${runId} another 3 30000`);
    };
    mark('joining');
    const watcher = program(world);
    await world.clock.advance(1_000);
    mark('starting');
    await world.clock.advance(500 + CLAIM_MS + 500);
    expect(await answersTo(world, watcher)).toEqual([]);
  });

  it('of a node that hangs meanwhile goes on', async () => {
    const world = await inUse();
    await afterFlush([program(world)], world);
    await world.clock.advance(10_000);
    world.server(0).pause();
    await world.clock.advance(5_000);
    world.server(0).resume();
    await world.clock.advance(QUARANTINE_MS - 15_000 + 10);
    expect(statesOf(world)[0]).toBe('active');
  });

  it('of a node that hangs as soon as it was looked at begins when it goes on', async () => {
    const world = await inUse();
    const redlock = program(world);
    await world.clock.runUntil(redlock.acquire('first'));
    const server = world.server(0);
    server.restart({ keepMemory: false });
    // A server that has just started does not know the script: the second call is the look.
    for (const before = server.commands; server.commands < before + 2; ) await world.clock.advance(0.05);
    server.pause();
    await world.clock.advance(3_000);
    server.resume();
    await world.clock.advance(500);
    expect(statesOf(world)[0]).toBe('joining');
    await world.clock.advance(QUARANTINE_MS);
    expect(await answersTo(world, redlock)).toEqual([]);
  });

  it('of a node that hangs at its end is ended soon after it goes on', async () => {
    const world = await inUse();
    const machine = world.machine();
    await afterFlush([program(world, {}, machine)], world);
    // The others are asked for longer ttls first.
    delay(machine, [1, 2], 'look', 400);
    await world.clock.advance(QUARANTINE_MS + 200);
    world.server(0).pause();
    await world.clock.advance(3_000);
    expect(statesOf(world)[0]).not.toBe('active');
    world.server(0).resume();
    await world.clock.advance(1_500);
    expect(statesOf(world)[0]).toBe('active');
  });

  it('that the node refuses to write begins as soon as it does, and says why it has not', async () => {
    const world = await inUse();
    const redlock = program(world);
    await world.clock.runUntil(redlock.acquire('first'));
    world.server(0).flushAll();
    world.server(0).store.writeError = OUT_OF_MEMORY;
    await world.clock.runUntil(redlock.acquire('second'));
    await world.clock.advance(50);
    world.server(1).crash();
    expect((await answersTo(world, redlock))[0]).toContain(`could not be written: ${OUT_OF_MEMORY}`);
    world.server(0).store.writeError = undefined;
    await world.clock.advance(300);
    expect(parseMarker(world.server(0).store.get(MARKER) ?? '')?.state).toBe('joining');
  });

  it('has no timer while the node is down', async () => {
    const world = await inUse();
    await afterFlush([program(world, {}, world.here)], world);
    world.server(0).crash();
    await world.clock.advance(10);
    await expectNoTimers(world.clock, 1_100);
  });

  it('has no timer while the node is down either if it went down as its marker was being written', async () => {
    const world = await inUse();
    const redlock = program(world, {}, world.here);
    const lock = await world.clock.runUntil(redlock.acquire('first'));
    world.server(0).flushAll();
    delay(world.here, [0], 'joining', 50);
    await world.clock.runUntil(lock.release());
    await world.clock.runUntil(redlock.acquire('second'));
    await world.clock.advance(20);
    world.server(0).crash();
    await world.clock.advance(1_000);
    expect(world.server(0).state).toBe('down');
    await expectNoTimers(world.clock);
  });

  it('keeps no process alive', async () => {
    const world = await inUse();
    const clock = new ProcessClock(world.clock.timeline);
    await afterFlush([program(world, { clock }, world.here)], world);
    await world.clock.advance(2_000);
    expect(clock.pendingTimers).toBeGreaterThan(0);
    expect(clock.isKeptAlive).toBe(false);
  });
});

describe('initialize()', () => {
  const failuresOf = async (world: World, redlock: Redlock) => {
    const error = await world.clock.runUntil(
      redlock.initialize().then(
        () => undefined,
        (reason: unknown) => reason,
      ),
    );
    return (error as { failures?: readonly { node: string; why: string }[] } | undefined)?.failures ?? [];
  };

  it('names each node where it did not work, with why, and has the others vote', async () => {
    const world = await unused(5);
    world.server(0).becomeReplica();
    world.server(1).crash();
    const redlock = program(world, { quarantine: 'strict' });
    const failures = await failuresOf(world, redlock);
    expect(failures.toSorted((a, b) => (a.node < b.node ? -1 : 1))).toEqual([
      { node: 'node-1:6379', why: expect.stringContaining('it is a slave') },
      { node: 'node-2:6379', why: expect.stringContaining('refused') },
    ]);
    expect(await answersTo(world, redlock)).toEqual([]);
  });

  it.each([4, 5])(
    'against a client that changes a marker %i times writes it five times at the most',
    async (times) => {
      const world = await inUse();
      const machine = world.machine();
      const redlock = program(world, {}, machine);
      await world.clock.runUntil(redlock.acquire('first'));
      let changes = 0;
      const written = listen(machine.clients[0], () => {
        changes += 1;
        const { store, runId } = world.server(0);
        if (changes <= times) store.set(MARKER, `active ${runId} change-${changes} 3 30000`);
      });
      const failures = await failuresOf(world, redlock);
      expect(written).toHaveLength(5);
      if (times < 5) expect(failures).toEqual([]);
      else
        expect(failures).toEqual([
          { node: 'node-1:6379', why: expect.stringMatching(/another program is changing it; try again/) },
        ]);
    },
  );
});

describe('a Redlock that is closed', () => {
  it.each([
    ['while it handshakes at a new deployment', 0.6],
    ['while it claims one', 1.2],
    ['while it waits for a node of one', 500],
  ])('%s leaves no timer, and writes nothing any more', async (_, afterMs) => {
    const world = await unused();
    world.server(2).crash();
    const redlock = program(world, {}, world.here);
    await world.clock.advance(afterMs);
    await world.clock.runUntil(redlock.close());
    const markers = markersOf(world).slice(0, 2);
    await expectNoTimers(world.clock);
    await world.clock.advance(10_000);
    expect(markersOf(world).slice(0, 2)).toEqual(markers);
    await expectNoTimers(world.clock);
  });

  it('at whatever moment of the start of a new deployment leaves no timer', async () => {
    for (let afterMs = 0; afterMs < 6; afterMs += 0.2) {
      const world = await unused();
      const redlock = program(world, {}, world.here);
      await world.clock.advance(afterMs);
      await world.clock.runUntil(redlock.close());
      await world.clock.advance(100);
      expect(world.clock.pendingTimers, `after ${afterMs} ms`).toBe(0);
    }
  });

  it('while it watches a quarantine leaves no timer, and leaves the node as it is', async () => {
    const world = await inUse();
    const redlock = program(world, {}, world.here);
    await afterFlush([redlock], world);
    await world.clock.runUntil(redlock.close());
    await expectNoTimers(world.clock);
    await world.clock.advance(QUARANTINE_MS + 1_000);
    expect(statesOf(world)[0]).toBe('joining');
  });
});
