import { describe, expect, it } from 'vitest';
import { LockHeldError, LockReleasedError } from '../../src/index.ts';
import { Lock } from '../../src/lock/lock.ts';
import { type Program, sceneOf } from './waiting/scene.ts';
import { at } from './world.ts';

describe('readers and writers', () => {
  it('any number reads together, in one process and in several; no writer has it meanwhile', async () => {
    const { scene, simulation, programs } = await sceneOf(3);
    const locks = programs.map(({ redlock }) => redlock.readWrite('r'));
    const reads = [at(locks, 0), at(locks, 0), at(locks, 1)].map((lock) => lock.acquireRead({ waitTime: 0 }));
    const readers = await simulation.until(Promise.all(reads));
    expect(readers.map(({ isShared }) => isShared)).toEqual([true, true, true]);
    const writing = () => simulation.until(at(locks, 2).acquireWrite({ waitTime: 0 }));
    await expect(writing()).rejects.toThrow(LockHeldError);
    await simulation.until(Promise.all(readers.slice(1).map((reader) => reader.release())));
    await expect(writing()).rejects.toThrow(LockHeldError);
    await simulation.until(at(readers, 0).release());
    const writer = await writing();
    expect(writer.isShared).toBe(false);
    for (const { token } of readers) expect(writer.token).toBeGreaterThan(token);
    await expect(simulation.until(at(locks, 0).acquireRead({ waitTime: 0 }))).rejects.toThrow(LockHeldError);
    await simulation.until(writer.release());
    const reader = await simulation.until(at(locks, 1).acquireRead({ waitTime: 0 }));
    expect(reader.token).toBeGreaterThan(writer.token);
    await simulation.until(reader.release());
    expect(scene.keys).toEqual([]);
  });

  it('a write lock is what acquire gives, and a read lock keeps that out too', async () => {
    const { simulation, programs } = await sceneOf(2);
    const [one, two] = [at(programs, 0).redlock, at(programs, 1).redlock];
    const plain = await simulation.until(one.acquire('r'));
    const refused = two.readWrite('r').acquireRead({ waitTime: 0 });
    await expect(simulation.until(refused)).rejects.toThrow(LockHeldError);
    await simulation.until(plain.release());
    const reader = await simulation.until(two.readWrite('r').acquireRead());
    expect(await simulation.until(one.tryAcquire('r'))).toBeNull();
    expect(await simulation.until(one.tryAcquire(['q', 'r']))).toBeNull();
    expect(await simulation.until(one.inspect('r'))).toMatchObject({ state: 'shared', value: undefined });
    await simulation.until(reader.release());
    expect(await simulation.until(one.inspect('r'))).toMatchObject({ state: 'free' });
  });

  it('each reader expires by itself: a dead one keeps a writer out for its ttl and no longer', async () => {
    const { simulation, programs } = await sceneOf(3);
    const [long, brief, writer] = programs.map(({ redlock }) => redlock.readWrite('r'));
    if (long === undefined || brief === undefined || writer === undefined) throw new Error('too few');
    await simulation.until(long.acquireRead({ ttl: 2_000 }));
    const second = await simulation.until(brief.acquireRead({ ttl: 10_000 }));
    await simulation.until(second.release());
    at(programs, 0).machine.kill();
    const startedAt = simulation.nowMs;
    const lock = await simulation.until(writer.acquireWrite());
    expect(simulation.nowMs - startedAt).toBeLessThan(2_000 + 50);
    await simulation.until(lock.release());
  });

  it('an extension outlives others, heals nodes that lost it, and keeps the token', async () => {
    const { simulation, programs } = await sceneOf(2);
    const [mine, theirs] = programs.map(({ redlock }) => redlock.readWrite('r'));
    if (mine === undefined || theirs === undefined) throw new Error('too few');
    const reader = await simulation.until(mine.acquireRead({ ttl: 1_000 }));
    await simulation.until(theirs.acquireRead({ ttl: 1_000 }));
    const { token } = reader;
    for (const node of simulation.nodes.slice(0, 2)) node.flushAll();
    expect((await simulation.until(reader.extend(5_000))).remainingValidity()).toBeGreaterThan(4_000);
    await simulation.advance(1_200);
    expect(reader.token).toBe(token);
    expect(await simulation.until(mine.acquireRead({ waitTime: 0 }))).toMatchObject({ isShared: true });
    for (const node of simulation.nodes) expect(node.store.get('lock:r')).toBe('&');
    expect(await simulation.until(at(programs, 1).redlock.tryAcquire('r'))).toBeNull();
  });

  it('a writer that waits is not passed by readers who ask later', async () => {
    const { scene, simulation, programs } = await sceneOf(4);
    const locks = programs.map(({ redlock }) => redlock.readWrite('r'));
    const order: string[] = [];
    const first = await simulation.until(at(locks, 0).acquireRead());
    const note = async (who: string, lock: Promise<{ release(): Promise<unknown> }>) => {
      const held = await lock;
      order.push(who);
      await at(programs, 0).machine.sleep(10);
      await held.release();
    };
    const writing = note('writer', at(locks, 1).acquireWrite());
    await simulation.advance(30);
    const reading = [2, 3, 2, 0].map((index) => note(`reader`, at(locks, index).acquireRead()));
    await simulation.advance(200);
    expect(order).toEqual([]);
    await simulation.until(first.release());
    await simulation.until(Promise.all([writing, ...reading]));
    expect(order).toEqual(['writer', 'reader', 'reader', 'reader', 'reader']);
    expect(scene.keys).toEqual([]);
  });

  it('a writer waits for no longer than the readers that were there, under a steady stream of them', async () => {
    const { simulation, programs } = await sceneOf(4);
    const ttl = 300;
    let isOver = false;
    const read = async ({ machine, redlock }: Program) => {
      while (!isOver) {
        const lock = await redlock.readWrite('r').acquireRead({ ttl, waitTime: 60_000 });
        await machine.sleep(100);
        await lock.release();
      }
    };
    const readers = programs.slice(1).flatMap((program) => [0, 1, 2].map(() => read(program)));
    const { machine, redlock } = at(programs, 0);
    const waits: number[] = [];
    const write = async () => {
      for (let count = 0; count < 40; count += 1) {
        await machine.sleep(37);
        const askedAt = simulation.nowMs;
        const lock = await redlock.readWrite('r').acquireWrite({ ttl, waitTime: 60_000 });
        waits.push(simulation.nowMs - askedAt);
        await lock.release();
      }
      isOver = true;
    };
    await simulation.until(Promise.all([write(), ...readers]));
    expect(Math.max(...waits)).toBeLessThan(3 * ttl);
  });

  it('when a writer gives up, the readers behind it go on', async () => {
    const { simulation, programs } = await sceneOf(3);
    const [holder, writer, reader] = programs.map(({ redlock }) => redlock.readWrite('r'));
    if (holder === undefined || writer === undefined || reader === undefined) throw new Error('too few');
    const held = await simulation.until(holder.acquireRead());
    const leaving = new AbortController();
    const writing = writer.acquireWrite({ signal: leaving.signal }).catch((error: unknown) => error);
    await simulation.advance(20);
    const reading = reader.acquireRead();
    await simulation.advance(50);
    leaving.abort('enough');
    const startedAt = simulation.nowMs;
    expect(await simulation.until(writing)).toBe('enough');
    await simulation.until(reading);
    expect(simulation.nowMs - startedAt).toBeLessThan(10);
    held.assertHeld();
  });
});

describe('a downgrade', () => {
  it('lets no writer in between, and readers in', async () => {
    const { simulation, programs } = await sceneOf(3);
    const [mine, writer, reader] = programs.map(({ redlock }) => redlock.readWrite('r'));
    if (mine === undefined || writer === undefined || reader === undefined) throw new Error('too few');
    const write = await simulation.until(mine.acquireWrite());
    const reading = reader.acquireRead();
    await simulation.advance(20);
    const writing = writer.acquireWrite();
    await simulation.advance(20);
    const read = await simulation.until(mine.downgrade(write));
    expect(read.isShared).toBe(true);
    expect(read.token).toBeGreaterThan(write.token);
    expect(() => write.assertHeld()).toThrow(LockReleasedError);
    const other = await simulation.until(reading);
    read.assertHeld();
    await simulation.advance(200);
    await simulation.until(Promise.all([read.release(), other.release()]));
    const next = await simulation.until(writing);
    expect(next.token).toBeGreaterThan(other.token);
  });

  it('is refused for what another Redlock, prefix or kind of lock gave, and nothing is released', async () => {
    const { simulation, programs } = await sceneOf(2);
    const { redlock, machine } = at(programs, 0);
    const elsewhere = {
      'another prefix': machine.redlock({ quarantine: 'off', keyPrefix: 'other:' }),
      'another Redlock of the same program': machine.redlock({ quarantine: 'off', keyPrefix: 'again:' }),
      'another program': at(programs, 1).redlock,
    };
    for (const [whose, other] of Object.entries(elsewhere)) {
      const lock = await simulation.until(other.acquire('r'));
      const downgrading = simulation.until(redlock.readWrite('r').downgrade(lock));
      await expect(downgrading, whose).rejects.toThrow(
        new TypeError('lock must be a write lock of "r": got a lock of another Redlock'),
      );
      lock.assertHeld();
      expect((await simulation.until(other.inspect('r'))).state, whose).toBe('held');
      expect((await simulation.until(lock.release())).freed, whose).toBe(true);
    }
    const sham = Object.create(Lock.prototype) as object;
    const strangers = [null, undefined, 'r', {}, sham];
    for (const stranger of strangers) {
      const downgrading = redlock.readWrite('r').downgrade(stranger as Lock);
      await expect(downgrading).rejects.toThrow(/^lock must be a write lock of "r": got /);
      await expect(downgrading).rejects.toThrow(TypeError);
    }
    const several = await simulation.until(redlock.acquire(['r', 's']));
    await expect(redlock.readWrite('r').downgrade(several)).rejects.toThrow(TypeError);
    several.assertHeld();
  });

  it('is refused for what is no write lock, or is held no more', async () => {
    const { simulation, programs } = await sceneOf(1);
    const { redlock } = at(programs, 0);
    const lock = redlock.readWrite('r');
    const other = await simulation.until(redlock.acquire('another'));
    await expect(lock.downgrade(other)).rejects.toThrow(
      'lock must be a write lock of "r": got a lock of another resource',
    );
    const permit = await simulation.until(redlock.semaphore('r', 2).acquire());
    await expect(lock.downgrade(permit)).rejects.toThrow(
      'lock must be a write lock of "r": got a semaphore\'s permit',
    );
    permit.assertHeld();
    const read = await simulation.until(lock.acquireRead());
    await expect(lock.downgrade(read)).rejects.toThrow('lock must be a write lock of "r": got a read lock');
    await simulation.until(read.release());
    const write = await simulation.until(lock.acquireWrite());
    await simulation.until(write.release());
    await expect(lock.downgrade(write)).rejects.toThrow(LockReleasedError);
  });
});
