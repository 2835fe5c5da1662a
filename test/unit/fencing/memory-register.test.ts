import { setImmediate as nextTick } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MemoryRegister, memoryRegister, StaleTokenError } from '../../../src/fencing/index.ts';
import {
  BAD_TOKENS,
  HOSTILE_NAMES,
  interleavings,
  pausedHolderStory,
  playAgainstModel,
  type Store,
  unguardedStore,
} from './holders.ts';

function storeBehind(register: MemoryRegister, resource = 'stock'): Store {
  let value: string | null = null;
  return {
    read: (token) => register.run(resource, token, () => value),
    write: (token, next) =>
      register.run(resource, token, async () => {
        await nextTick();
        value = next;
      }),
  };
}

describe('the paused holder', () => {
  it('is refused by the guard, and nothing is lost', async () => {
    const { late, final } = await pausedHolderStory(storeBehind(memoryRegister()));
    expect(late).toBeInstanceOf(StaleTokenError);
    expect(late).toMatchObject({ resource: 'stock', token: 10, highest: 11 });
    expect(final).toBe('[11]');
  });

  it('without a guard has its acknowledged write lost', async () => {
    const { late, final } = await pausedHolderStory(unguardedStore());
    expect(late).toBe('written');
    expect(final).not.toContain('[10]');
  });

  it('whose write has begun is waited for by a newer holder, which then sees it', async () => {
    const store = storeBehind(memoryRegister());
    await store.read(10);
    const [, seenBy11] = await Promise.all([store.write(10, '[10]'), store.read(11)]);
    expect(seenBy11).toBe('[10]');
  });
});

describe('any interleaving of holders', () => {
  it('keeps every acknowledged write, in the order of the tokens', async () => {
    await fc.assert(
      fc.asyncProperty(interleavings, (order) => playAgainstModel(storeBehind(memoryRegister()), order)),
    );
  });

  it('does so with room for one resource only, while others press it out', async () => {
    await fc.assert(
      fc.asyncProperty(interleavings, fc.array(fc.nat(1), { maxLength: 16 }), async (order, presses) => {
        const register = memoryRegister({ maxResources: 1 });
        const store = storeBehind(register);
        let step = 0;
        // A lower token on another resource, so that the floor itself refuses none of these holders.
        const press = async () => {
          if (presses[step++] === 1) await register.register(`other ${step}`, 1).catch(() => {});
        };
        await playAgainstModel(
          {
            read: (token) => press().then(() => store.read(token)),
            write: (token, value) => press().then(() => store.write(token, value)),
          },
          order,
        );
      }),
    );
  });

  it('fails this very check without a guard', async () => {
    const details = await fc.check(
      fc.asyncProperty(interleavings, (order) => playAgainstModel(unguardedStore(), order)),
    );
    expect(details.failed).toBe(true);
  });
});

describe('memoryRegister', () => {
  it('accepts the same token again and a higher one, and refuses a lower one', async () => {
    const register = memoryRegister();
    await register.register('a', 10);
    await register.register('a', 10);
    await register.register('a', 12);
    await expect(register.register('a', 11)).rejects.toThrow(StaleTokenError);
    await register.register('b', 11);
  });

  it('runs one at a time per resource, and resources side by side', async () => {
    const register = memoryRegister();
    const log: string[] = [];
    const work = (name: string) => async () => {
      log.push(`${name} in`);
      await nextTick();
      log.push(`${name} out`);
    };
    await Promise.all([
      register.run('a', 1, work('a1')),
      register.run('a', 2, work('a2')),
      register.run('b', 1, work('b1')),
    ]);
    expect(log.filter((entry) => entry.startsWith('a'))).toEqual(['a1 in', 'a1 out', 'a2 in', 'a2 out']);
    expect(log.indexOf('b1 in')).toBeLessThan(log.indexOf('a1 out'));
  });

  it('passes on what work returned or threw, and goes on after a failure', async () => {
    const register = memoryRegister();
    await expect(register.run('a', 1, () => 'result')).resolves.toBe('result');
    await expect(register.run('a', 1, () => Promise.reject(new Error('disk full')))).rejects.toThrow(
      'disk full',
    );
    await expect(register.run('a', 1, () => 'again')).resolves.toBe('again');
  });

  it('does not run the work of a stale token', async () => {
    const register = memoryRegister();
    await register.register('a', 2);
    let ran = false;
    await expect(
      register.run('a', 1, () => {
        ran = true;
      }),
    ).rejects.toThrow(StaleTokenError);
    expect(ran).toBe(false);
  });

  it('refuses, once it forgot a resource, whatever is lower than the floor it kept', async () => {
    const register = memoryRegister({ maxResources: 2 });
    await register.register('a', 10);
    await register.register('b', 20);
    await register.register('a', 10);
    await register.register('c', 15); // presses out b, unused for longest
    await expect(register.register('b', 19)).rejects.toMatchObject({ highest: 20 });
    await expect(register.register('d', 12)).rejects.toMatchObject({ highest: 20 });
    await register.register('a', 11);
    await register.register('b', 20);
  });

  it('never lowers that floor', async () => {
    const register = memoryRegister({ maxResources: 1 });
    await register.register('a', 20);
    await register.register('b', 30); // forgets a: 20
    await register.register('c', 25); // forgets b: 30
    await expect(register.register('d', 29)).rejects.toMatchObject({ highest: 30 });
    await register.register('d', 31); // forgets c: 25
    await expect(register.register('b', 29)).rejects.toMatchObject({ highest: 30 });
  });

  it('lets a newcomer wait for the whole line, not only for its first', async () => {
    const register = memoryRegister();
    let inside = 0;
    const work = async () => {
      inside += 1;
      await nextTick();
      expect(inside).toBe(1);
      inside -= 1;
    };
    const first = register.run('a', 1, work);
    const second = register.run('a', 1, work);
    await first;
    await Promise.all([second, register.run('a', 1, work)]);
  });

  it.each(HOSTILE_NAMES)('takes the resource name %j as it is', async (name) => {
    const register = memoryRegister();
    await register.register(name, 2);
    await expect(register.register(name, 1)).rejects.toMatchObject({ resource: name });
  });

  it.each(BAD_TOKENS)('refuses %o as a token', async (token, kind) => {
    await expect(memoryRegister().register('a', token as number)).rejects.toThrow(kind);
  });

  it.each(['', '\ud800', undefined, 7])('refuses %o as a resource', async (resource) => {
    await expect(memoryRegister().register(resource as string, 1)).rejects.toThrow(/^resource must be/);
  });

  it.each([0, 1.5, '3', null])('refuses %o as maxResources', (maxResources) => {
    expect(() => memoryRegister({ maxResources: maxResources as number })).toThrow(/^maxResources must be/);
  });
});

describe('a token that is refused', () => {
  it('is told with a stack that names who asked, also after a wait', async () => {
    const register = memoryRegister();
    const [, failure] = await Promise.all([
      register.run('stock', 11, () => nextTick()),
      (async function theProgram() {
        return await register.run('stock', 10, () => 'written');
      })().catch((error: unknown) => error),
    ]);
    expect(failure).toBeInstanceOf(StaleTokenError);
    expect((failure as Error).stack).toContain('theProgram');
  });
});
