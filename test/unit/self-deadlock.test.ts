import { describe, expect, it } from 'vitest';
import type { Lock, Redlock } from '../../src/index.ts';
import { LockHeldError, SelfDeadlockError } from '../../src/index.ts';
import { Scene } from './waiting/scene.ts';

async function program() {
  const scene = new Scene();
  const [only] = await scene.programs(1);
  if (only === undefined) throw new Error('there is no program');
  return { ...only, simulation: scene.simulation };
}

/** Ways to ask for a lock of 'r' that would wait. */
const ASKING: Readonly<Record<string, (redlock: Redlock) => Promise<unknown>>> = {
  acquire: (redlock) => redlock.acquire('r', { waitTime: Number.POSITIVE_INFINITY }),
  'acquire of several': (redlock) => redlock.acquire(['q', 'r']),
  using: (redlock) => redlock.using('r', {}, () => 'never'),
  acquireRead: (redlock) => redlock.readWrite('r').acquireRead(),
  usingWrite: (redlock) => redlock.readWrite('r').usingWrite({}, () => 'never'),
};

describe('inside of a using', () => {
  it.each(Object.entries(ASKING))('%s of the same resource is reported at once', async (_, ask) => {
    const { redlock, machine, simulation } = await program();
    const startedAt = simulation.nowMs;
    const using = redlock.using('r', {}, async (lock) => {
      await machine.sleep(1);
      await expect(ask(redlock)).rejects.toThrow(SelfDeadlockError);
      await expect(ask(redlock)).rejects.toMatchObject({ code: 'QUORLOCK_SELF_DEADLOCK', votes: [] });
      lock.assertHeld();
      return 'done';
    });
    expect(await simulation.until(using)).toBe('done');
    expect(simulation.nowMs - startedAt).toBeLessThan(10);
  });

  it('what does not wait says that it is held', async () => {
    const { redlock, simulation } = await program();
    const using = redlock.using('r', {}, async () => {
      expect(await redlock.tryAcquire('r')).toBeNull();
      await expect(redlock.acquire('r', { waitTime: 0 })).rejects.toThrow(LockHeldError);
    });
    await simulation.until(using);
  });

  it('other resources, and semaphores of the same name, are had as ever', async () => {
    const { redlock, simulation } = await program();
    const using = redlock.using('r', {}, () =>
      redlock.using('other', {}, async (inner) => {
        const permit = await redlock.semaphore('r', 1).acquire();
        return [inner.resources, permit.resources];
      }),
    );
    expect(await simulation.until(using)).toEqual([['other'], ['r']]);
  });

  it('a lock that was lost or given back is no obstacle', async () => {
    const { redlock, simulation } = await program();
    const using = redlock.using('r', {}, async (lock) => {
      await lock.release();
      return redlock.using('r', {}, (again) => again.token - lock.token);
    });
    expect(await simulation.until(using)).toBeGreaterThan(0);
  });

  it('code beside it, in the same process, waits as ever', async () => {
    const { redlock, machine, simulation } = await program();
    const order: string[] = [];
    const use = (name: string) =>
      redlock.using('r', {}, async () => {
        await machine.sleep(5);
        order.push(name);
      });
    const lock = await simulation.until(redlock.acquire('another'));
    await simulation.until(Promise.all(['a', 'b', 'c'].map(use)));
    expect(order).toEqual(['a', 'b', 'c']);
    lock.assertHeld();
  });

  it('what it has started goes on after it, when the lock is given back', async () => {
    const { redlock, machine, simulation } = await program();
    let later: Promise<string> | undefined;
    await simulation.until(
      redlock.using('r', {}, () => {
        later = machine.sleep(50).then(() => redlock.using('r', {}, () => 'later'));
      }),
    );
    expect(later === undefined ? undefined : await simulation.until(later)).toBe('later');
  });
});

describe('reentrant: true', () => {
  it('runs the routine under the lock that is held, which stays held after it', async () => {
    const { redlock, simulation } = await program();
    const using = redlock.using(['q', 'r'], {}, async (outer) => {
      const inner = await redlock.using('r', { reentrant: true }, (lock) => lock);
      outer.assertHeld();
      const read = await redlock.readWrite('q').usingRead({ reentrant: true }, (lock) => lock);
      return [inner === outer, read === outer];
    });
    expect(await simulation.until(using)).toEqual([true, true]);
  });

  it('waits for what is not all held, or says that it can’t', async () => {
    const { redlock, simulation } = await program();
    const using = redlock.using('r', {}, async () => {
      const both = redlock.using(['q', 'r'], { reentrant: true }, () => 'never');
      await expect(both).rejects.toThrow(SelfDeadlockError);
      return redlock.using('q', { reentrant: true }, (lock: Lock) => lock.resources);
    });
    expect(await simulation.until(using)).toEqual(['q']);
  });

  it.each<[string, object, string]>([
    ['ttl', { ttl: -5 }, 'ttl'],
    ['waitTime', { waitTime: Number.NaN }, 'waitTime'],
    ['signal', { signal: {} }, 'signal'],
  ])('checks its other options: %s', async (_, options, name) => {
    const { redlock, simulation } = await program();
    const using = redlock.using('r', {}, () =>
      redlock.using('r', { reentrant: true, ...options }, () => 'never'),
    );
    await expect(simulation.until(using)).rejects.toThrow(name);
  });

  it('does not begin where its signal has aborted', async () => {
    const { redlock, simulation } = await program();
    const signal = AbortSignal.abort(new Error('too late'));
    const using = redlock.using('r', {}, () =>
      redlock.using('r', { reentrant: true, signal }, () => 'never'),
    );
    await expect(simulation.until(using)).rejects.toThrow('too late');
  });

  it('is refused if it is no boolean', async () => {
    const { redlock } = await program();
    // @ts-expect-error: what plain JavaScript may hand in
    const using = redlock.using('r', { reentrant: 'yes' }, () => 'never');
    await expect(using).rejects.toThrow(new TypeError('reentrant must be a boolean: got "yes"'));
  });
});
