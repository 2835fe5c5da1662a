import { describe, expect, it } from 'vitest';
import { type Planned, SharedTimers } from '../../src/base/shared-timers.ts';
import type { LeapListener } from '../../src/base/sound-clock.ts';
import { Rng } from '../../src/testing/rng.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { ProcessClock } from './process-clock.ts';

/** Notes when it takes its step, and then does what it is told. */
class Thing implements Planned {
  group: Planned['group'];
  readonly steps: number[] = [];
  readonly #clock: VirtualClock;
  readonly #then: () => void;

  constructor(clock: VirtualClock, then: () => void = () => undefined) {
    this.#clock = clock;
    this.#then = then;
  }

  step(): void {
    this.steps.push(this.#clock.monotonic());
    this.#then();
  }
}

/** A program in which things are planned, planned anew and dropped at random, and what should come of it. */
async function planAtRandom(seed: number): Promise<void> {
  const rng = Rng.ofSeed(seed);
  const clock = new VirtualClock();
  const timers = new SharedTimers(clock);
  const things = Array.from({ length: rng.integer(1, 60) }, () => new Thing(clock));
  const dueOf = new Map<Thing, number>();
  const expected = new Map(things.map((thing): [Thing, number[]] => [thing, []]));
  const pass = async (ms: number) => {
    await clock.advance(ms);
    for (const [thing, dueMs] of [...dueOf]) {
      if (dueMs > clock.monotonic()) continue;
      expected.get(thing)?.push(dueMs);
      dueOf.delete(thing);
    }
  };
  for (let act = 0; act < 300; act += 1) {
    const thing = rng.pick(things);
    if (rng.chance(0.3)) {
      timers.drop(thing);
      dueOf.delete(thing);
    } else {
      const delayMs = rng.integer(10, 100);
      const earlyMs = rng.pick([0, 5, 10]);
      timers.plan(thing, delayMs, earlyMs);
      const dueMs = clock.monotonic() + delayMs;
      dueOf.set(thing, earlyMs === 0 ? dueMs : dueMs - (dueMs % earlyMs));
    }
    expect(clock.pendingTimers).toBe(new Set(dueOf.values()).size);
    if (rng.chance(0.3)) await pass(rng.integer(0, 40));
  }
  await pass(200);
  for (const thing of things) expect(thing.steps).toEqual(expected.get(thing));
  expect(clock.pendingTimers).toBe(0);
}

describe('shared timers', () => {
  it.each(Array.from({ length: 20 }, (_, seed) => seed))(
    'have each thing take its step at its time, and none that was dropped (seed %i)',
    planAtRandom,
  );

  it('let a step plan the next one, at once too, and drop what is due at the same moment', async () => {
    const clock = new VirtualClock();
    const timers = new SharedTimers(clock);
    const startMs = clock.monotonic();
    const dropped = new Thing(clock);
    const thing: Thing = new Thing(clock, () => {
      timers.drop(dropped);
      if (thing.steps.length < 3) timers.plan(thing, 0);
    });
    timers.plan(thing, 10);
    timers.plan(dropped, 10);
    await clock.advance(100);
    expect(thing.steps).toEqual([startMs + 10, startMs + 10, startMs + 10]);
    expect(dropped.steps).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('have all take their steps when time has leapt, and listen only as long as there are any', async () => {
    const listeners = new Set<LeapListener>();
    const clock = Object.assign(new VirtualClock(), {
      onLeap: (listener: LeapListener) => listeners.add(listener),
      offLeap: (listener: LeapListener) => listeners.delete(listener),
    });
    const timers = new SharedTimers(clock);
    const again: Thing = new Thing(clock, () => timers.plan(again, 50));
    const things = [new Thing(clock), again, new Thing(clock)];
    for (const [index, thing] of things.entries()) timers.plan(thing, 100 + index);
    for (const listener of [...listeners]) listener.leapt();
    expect(things.map(({ steps }) => steps.length)).toEqual([1, 1, 1]);
    expect([listeners.size, clock.pendingTimers]).toEqual([1, 1]);
    await clock.advance(50);
    expect(again.steps).toHaveLength(2);
    timers.drop(again);
    timers.drop(again);
    expect([listeners.size, clock.pendingTimers]).toEqual([0, 0]);
  });

  it('let steps that a leap has brought forward be planned for the same moment again', async () => {
    const listeners = new Set<LeapListener>();
    const clock = Object.assign(new VirtualClock(), {
      onLeap: (listener: LeapListener) => listeners.add(listener),
      offLeap: (listener: LeapListener) => listeners.delete(listener),
    });
    const timers = new SharedTimers(clock);
    const planned = (): Thing => {
      // One that is planned again and again within a leap would never come to an end.
      const thing: Thing = new Thing(clock, () => thing.steps.length < 4 && timers.plan(thing, 100));
      timers.plan(thing, 100);
      return thing;
    };
    const things = [planned(), planned(), planned()];
    for (const listener of [...listeners]) listener.leapt();
    expect(things.map(({ steps }) => steps.length)).toEqual([1, 1, 1]);
    expect([listeners.size, clock.pendingTimers]).toEqual([1, 1]);
    await clock.advance(100);
    expect(things.map(({ steps }) => steps.length)).toEqual([2, 2, 2]);
    for (const thing of things) timers.drop(thing);
    expect([listeners.size, clock.pendingTimers]).toEqual([0, 0]);
  });

  it('keep no process alive', () => {
    const clock = new ProcessClock();
    new SharedTimers(clock).plan(new Thing(clock), 10);
    expect(clock.pendingTimers).toBe(1);
    expect(clock.isKeptAlive).toBe(false);
  });
});
