import { describe, expect, it } from 'vitest';
import { TOKENS_A_LEASE } from '../../../src/wire/operation.ts';
import { jain, type Program, Scene, sceneOf } from './scene.ts';

describe('of callers in different processes', () => {
  it('the first caller is served first', async () => {
    const scene = new Scene();
    const programs = await scene.programs(8);
    const { simulation } = scene;
    const all: Promise<unknown>[] = [];
    for (const [index, program] of programs.entries()) {
      all.push(scene.hold(program, `program ${index}`, 20));
      await simulation.advance(3);
    }
    await simulation.until(Promise.all(all));
    expect(scene.order).toEqual(programs.map((_, index) => `program ${index}`));
    expect(scene.overlaps).toBe(0);
  });

  it('a newcomer does not pass the waiters, however it comes', async () => {
    const { scene, simulation, programs } = await sceneOf(3);
    const [holder, waiter, newcomer] = programs;
    const held = await simulation.until(holder.redlock.acquire('r', { ttl: 1_000 }));
    const waiting = scene.hold(waiter, 'waiter', 5);
    await simulation.advance(20);
    // It never gives it back: the keys expire on all nodes at about the same time.
    expect(held.remainingValidity()).toBeGreaterThan(0);
    const tries: (string | undefined)[] = [];
    const trying = (async () => {
      while (scene.turns.length === 0) {
        const lock = await newcomer.redlock.tryAcquire('r');
        tries.push(lock === null ? undefined : 'got it');
        if (lock !== null) await lock.release();
        await newcomer.machine.sleep(0.2);
      }
    })();
    await simulation.until(Promise.all([waiting, trying]));
    expect(tries.length).toBeGreaterThan(1_000);
    expect(tries.filter((got) => got !== undefined)).toEqual([]);
  });

  it.each(['r', 's'])(
    'a newcomer does not take what is free on all nodes at once, asking for it and for %s',
    async (other) => {
      const { scene, simulation, programs } = await sceneOf(3);
      const [holder, waiter, newcomer] = programs;
      await simulation.until(holder.redlock.acquire('r'));
      const waiting = scene.hold(waiter, 'waiter', 5);
      await simulation.advance(20);
      for (const { store } of simulation.nodes) store.delete('lock:r');
      expect(await simulation.until(newcomer.redlock.tryAcquire(['r', other]))).toBeNull();
      await simulation.until(waiting);
      expect(scene.order).toEqual(['waiter']);
    },
  );

  it.each([
    [4, 2],
    [4, 8],
    [3, 1],
    [2, 40],
  ])('all get as much: %i processes with %i callers each', async (processes, callers) => {
    const scene = new Scene();
    const programs = await scene.programs(processes);
    const names = programs.flatMap((_, index) =>
      Array.from({ length: callers }, (__, caller) => `${index}.${caller}`),
    );
    const counts = new Map(names.map((name) => [name, 0]));
    const untilMs = scene.simulation.nowMs + 5_000;
    const call = async (name: string) => {
      const program = programs[Number(name.split('.')[0])];
      if (program === undefined) throw new Error(name);
      while (scene.simulation.nowMs < untilMs) {
        await scene.hold(program, name, 1);
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
    };
    await scene.simulation.until(Promise.all(names.map(call)));
    expect(jain([...counts.values()])).toBeGreaterThan(0.98);
    expect(scene.overlaps).toBe(0);
  });
});

describe('of callers in a large line', () => {
  it.each([
    [300, 2],
    [50, 20],
  ])(
    'none is served two seconds before an earlier one: %i processes with %i callers each',
    async (processes, callers) => {
      const scene = new Scene();
      const programs = await scene.programs(processes);
      const all: Promise<unknown>[] = [];
      for (let caller = 0; caller < callers; caller += 1) {
        for (const program of programs) {
          all.push(scene.hold(program, program.machine.name, 5, { waitTime: 600_000 }));
          await scene.simulation.advance(1);
        }
      }
      await scene.simulation.until(Promise.all(all));
      // From the last caller on: when the first of those that called later was served.
      let soonest = Number.POSITIVE_INFINITY;
      let earliest = 0;
      for (const { from } of scene.turns.toSorted((a, b) => b.askedAt - a.askedAt)) {
        earliest = Math.max(earliest, from - soonest);
        soonest = Math.min(soonest, from);
      }
      expect(earliest).toBeLessThan(2_000);
      expect(scene.overlaps).toBe(0);
    },
  );
});

describe('a turn of a process whose callers come back at once', () => {
  it('is as many locks long as a lease has tokens, also where no caller waits between two of them', async () => {
    const scene = new Scene();
    const programs = await scene.programs(4);
    const all = programs.flatMap((program, index) =>
      Array.from({ length: 2 }, async () => {
        for (let round = 0; round < 40; round += 1) await scene.hold(program, `${index}`, 1);
      }),
    );
    await scene.simulation.until(Promise.all(all));
    const lengths: number[] = [];
    scene.order.forEach((who, place) => {
      if (who === scene.order[place - 1]) lengths[lengths.length - 1] = (lengths.at(-1) ?? 0) + 1;
      else lengths.push(1);
    });
    expect(lengths.toSorted((a, b) => a - b)[Math.floor(lengths.length / 2)]).toBe(TOKENS_A_LEASE);
  });

  /** Two callers of a program, who have the lock for a millisecond again and again. */
  function twoOf(scene: Scene, program: Program, rounds: number): readonly Promise<void>[] {
    return Array.from({ length: 2 }, async () => {
      for (let round = 0; round < rounds; round += 1) await scene.hold(program, 'two', 1);
    });
  }

  it('has no pause between two locks of a lease, where no other process waits either', async () => {
    const scene = new Scene();
    const [program] = await scene.programs(1);
    await scene.simulation.until(Promise.all(twoOf(scene, program, 10)));
    scene.turns.length = 0;
    await scene.simulation.until(Promise.all(twoOf(scene, program, 64)));
    const pauses = scene.turns.filter(({ from }, index) => from > (scene.turns[index - 1]?.to ?? from));
    expect(scene.turns).toHaveLength(128);
    // One pause for each lease.
    expect(pauses.length).toBeLessThanOrEqual(128 / TOKENS_A_LEASE);
    expect(scene.overlaps).toBe(0);
  });

  it('ends with its tokens for a process that comes to wait, each time', async () => {
    const scene = new Scene();
    const [program, other] = await scene.programs(2);
    const two = twoOf(scene, program, 200);
    await scene.simulation.advance(50);
    const one = (async () => {
      for (let round = 0; round < 10; round += 1) await scene.hold(other, 'one', 1);
    })();
    await scene.simulation.until(Promise.all([...two, one]));
    const places = scene.order.flatMap((who, place) => (who === 'one' ? [place] : []));
    const asked = scene.turns.filter(({ who }) => who === 'one').map(({ askedAt }) => askedAt);
    const before = scene.turns.filter(({ who, from }) => who === 'two' && from < (asked[0] ?? 0)).length;
    // It may come in the middle of a lease, and has to hear the nodes first.
    expect((places[0] ?? 0) - before).toBeLessThanOrEqual(2 * TOKENS_A_LEASE);
    // One that comes back has a turn of its own.
    const waited = places.slice(1).map((place, index) => place - (places[index] ?? 0) - 1);
    expect(Math.max(...waited)).toBeLessThanOrEqual(TOKENS_A_LEASE + 1);
    expect(scene.overlaps).toBe(0);
  });
});

describe('of callers in one process', () => {
  it('the first caller is served first, and each lease is one call a node', async () => {
    const scene = new Scene();
    const [program] = await scene.programs(1);
    const names = Array.from({ length: 100 }, (_, index) => `caller ${index}`);
    const before = scene.commands;
    await scene.simulation.until(Promise.all(names.map((name) => scene.hold(program, name, 1))));
    expect(scene.order).toEqual(names);
    // The last release resolves when a majority has confirmed it.
    await scene.simulation.advance(10);
    // One to acquire the first lease and one to release the last; between two of them, both are done in one.
    expect(scene.commands - before).toBe(5 * (Math.ceil(names.length / TOKENS_A_LEASE) + 1));
    expect(scene.keys).toEqual([]);
  });

  it('one speaks for all of them while another process holds the lock', async () => {
    const scene = new Scene();
    const [holder, program] = await scene.programs(2);
    const held = await scene.simulation.until(holder.redlock.acquire('r'));
    const before = scene.commands;
    const all = Array.from({ length: 1_000 }, (_, index) => scene.hold(program, `caller ${index}`, 0.1));
    await scene.simulation.advance(200);
    // Once without being heard, once with.
    expect(scene.commands - before).toBe(2 * 5);
    await scene.simulation.until(held.release());
    await scene.simulation.until(Promise.all(all));
    expect(scene.order).toEqual(all.map((_, index) => `caller ${index}`));
  });

  it('no more callers than a lease has tokens go before a process that waits', async () => {
    const scene = new Scene();
    const [many, one] = await scene.programs(2);
    const held = await scene.simulation.until(one.redlock.acquire('r'));
    const all = Array.from({ length: 50 }, () => scene.hold(many, 'many', 1));
    await scene.simulation.advance(10);
    await scene.simulation.until(held.release());
    all.push(scene.hold(one, 'one', 1));
    await scene.simulation.until(Promise.all(all));
    expect(scene.order.indexOf('one')).toBe(TOKENS_A_LEASE);
  });

  it('nor for longer than a tenth of a second', async () => {
    const scene = new Scene();
    const [many, one] = await scene.programs(2);
    const all = Array.from({ length: 10 }, () => scene.hold(many, 'many', 30));
    await scene.simulation.advance(10);
    all.push(scene.hold(one, 'one', 1));
    await scene.simulation.until(Promise.all(all));
    expect(scene.order.indexOf('one')).toBe(4);
  });
});
