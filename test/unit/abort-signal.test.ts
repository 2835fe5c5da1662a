import { describe, expect, it } from 'vitest';
import type { AbortSignalLike, Redlock, UsingOptions } from '../../src/index.ts';
import { Scene } from './waiting/scene.ts';

/** As old polyfills do it: no reason, no throwIfAborted, and no kinship with the AbortSignal of the platform. */
class PlainSignal implements AbortSignalLike {
  aborted = false;
  readonly listeners = new Set<() => void>();

  addEventListener(_: 'abort', listener: () => void): void {
    this.listeners.add(listener);
  }

  removeEventListener(_: 'abort', listener: () => void): void {
    this.listeners.delete(listener);
  }

  abort(): void {
    this.aborted = true;
    for (const listener of this.listeners) listener();
  }
}

/** As jsdom does it: an event target of its own, with a reason. */
class SignalOfAnotherRealm extends EventTarget implements AbortSignalLike {
  aborted = false;
  reason: unknown;

  abort(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    this.dispatchEvent(new Event('abort'));
  }
}

type Ask = (redlock: Redlock, options: UsingOptions) => Promise<unknown>;

/** Everything that takes a signal, asking for what another program holds. */
const CALLS: Readonly<Record<string, Ask>> = {
  acquire: (redlock, options) => redlock.acquire('r', options),
  using: (redlock, options) => redlock.using('r', options, () => 'never'),
  acquireRead: (redlock, options) => redlock.readWrite('r').acquireRead(options),
  usingWrite: (redlock, options) => redlock.readWrite('r').usingWrite(options, () => 'never'),
  'acquire of a permit': (redlock, options) => redlock.semaphore('r', 2).acquire(options),
  'using a permit': (redlock, options) => redlock.semaphore('r', 2).using(options, () => 'never'),
};

async function heldElsewhere() {
  const scene = new Scene();
  const [ours, theirs] = await scene.programs(2);
  const { simulation } = scene;
  await simulation.until(theirs.redlock.acquire('r', { ttl: 30_000 }));
  const permits = theirs.redlock.semaphore('r', 2);
  await simulation.until(Promise.all([1, 2].map(() => permits.acquire({ ttl: 30_000 }))));
  return { redlock: ours.redlock, simulation };
}

describe.each(Object.entries(CALLS))('a signal that is not of this platform cancels %s', (_, ask) => {
  it('with its reason', async () => {
    const { redlock, simulation } = await heldElsewhere();
    const signal = new SignalOfAnotherRealm();
    const asking = ask(redlock, { signal, waitTime: 60_000 });
    asking.catch(() => undefined);
    await simulation.advance(100);
    const reason = new Error('enough');
    signal.abort(reason);
    await expect(simulation.until(asking)).rejects.toBe(reason);
  });

  it('with an AbortError where it has none, and leaves no listener behind', async () => {
    const { redlock, simulation } = await heldElsewhere();
    const signal = new PlainSignal();
    const asking = ask(redlock, { signal, waitTime: 60_000 });
    asking.catch(() => undefined);
    await simulation.advance(100);
    signal.abort();
    await expect(simulation.until(asking)).rejects.toMatchObject({ name: 'AbortError' });
    expect(signal.listeners.size).toBe(0);
  });

  it('before it begins', async () => {
    const { redlock, simulation } = await heldElsewhere();
    const signal = new PlainSignal();
    signal.abort();
    const asking = ask(redlock, { signal, waitTime: 60_000 });
    await expect(simulation.until(asking)).rejects.toMatchObject({ name: 'AbortError' });
    const withoutReason = AbortSignal.abort(null);
    await expect(simulation.until(ask(redlock, { signal: withoutReason }))).rejects.toBeNull();
  });
});

it('a signal that does not abort keeps nothing from being had', async () => {
  const scene = new Scene();
  const [program] = await scene.programs(1);
  const signal = new PlainSignal();
  const permit = program?.redlock.semaphore('r', 2).acquire({ signal });
  (await scene.simulation.until(Promise.resolve(permit)))?.assertHeld();
  expect(signal.listeners.size).toBe(0);
});

it.each<[unknown, string]>([
  [{}, 'an object'],
  [null, 'null'],
  [{ aborted: 'no', addEventListener() {}, removeEventListener() {} }, 'an object'],
  [{ aborted: false, addEventListener() {} }, 'an object'],
  [new EventTarget(), 'an object (EventTarget)'],
  [new AbortController(), 'an object (AbortController)'],
  [() => undefined, 'a function'],
])('what does not behave like a signal is refused: %o', async (signal, found) => {
  const { redlock } = await heldElsewhere();
  for (const ask of Object.values(CALLS)) {
    const asking = ask(redlock, { signal: signal as AbortSignalLike });
    await expect(asking).rejects.toThrow(new TypeError(`signal must be an AbortSignal: got ${found}`));
  }
});

describe('a using without options', () => {
  it('runs the routine that takes their place, and one that comes after undefined', async () => {
    const scene = new Scene();
    const [program] = await scene.programs(1);
    const { redlock } = program;
    const lock = redlock.readWrite('r');
    const semaphore = redlock.semaphore('r', 2);
    const results = Promise.all([
      redlock.using('r', ({ resources }) => resources),
      redlock.using(['r', 's'], undefined, ({ resources }) => resources),
      lock.usingRead(({ isShared }) => isShared),
      lock.usingRead(undefined, ({ isShared }) => isShared),
      lock.usingWrite(({ isShared }) => isShared),
      lock.usingWrite(undefined, ({ isShared }) => isShared),
      semaphore.using(({ resources }) => resources),
      semaphore.using(undefined, ({ resources }) => resources),
    ]);
    const r = ['r'];
    expect(await scene.simulation.until(results)).toEqual([r, ['r', 's'], true, true, false, false, r, r]);
    expect(scene.keys).toEqual([]);
  });

  it.each<[readonly unknown[], string]>([
    [[], 'routine must be a function: got undefined'],
    [[{}], 'routine must be a function: got undefined'],
    [[{}, 'work'], 'routine must be a function: got "work"'],
    [[undefined, {}], 'routine must be a function: got an object'],
    [[null, () => 1], 'using options must be an object of options: got null'],
    [[() => 1, {}], 'using options must be an object of options: got a function'],
    [[() => 1, () => 1], 'using options must be an object of options: got a function'],
  ])('is refused where the routine is none, or in another place: %o', async (given, message) => {
    const [program] = await new Scene().programs(1);
    const using = program?.redlock.using as (...args: unknown[]) => Promise<unknown>;
    await expect(using.apply(program?.redlock, ['r', ...given])).rejects.toThrow(new TypeError(message));
  });
});
