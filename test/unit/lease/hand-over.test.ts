import { describe, expect, it } from 'vitest';
import { LockLostError, LockReleasedError } from '../../../src/index.ts';
import { fenceKeyOf } from '../../../src/quorum/fencing-token.ts';
import { TOKENS_A_LEASE } from '../../../src/wire/operation.ts';
import { inARow, lockOf, owners, settled, TTL } from './in-a-row.ts';

describe('the next caller of a process', () => {
  it('has the lock as soon as it is released, with the next token, and no node is asked', async () => {
    const { scene, simulation, holder, next } = await inARow();
    const { commands } = scene;
    const report = holder.release();
    const second = await lockOf(next[0]);
    expect(await simulation.until(report)).toEqual({ freed: true, handedOver: true, votes: [] });
    expect(scene.commands).toBe(commands);
    expect(second.value).toBe(holder.value);
    expect(second.token).toBe(holder.token + 1);
    expect(owners(scene)).toEqual(Array(5).fill(holder.value));
    void second.release();
    const third = await lockOf(next[1]);
    expect(third.token).toBe(holder.token + 2);
    await simulation.until(third.release());
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('has one of a block of tokens, of which the nodes have the highest', async () => {
    const { scene, holder } = await inARow();
    const counters = scene.simulation.nodes.map(({ store }) => store.get(fenceKeyOf('lock:r')));
    expect(counters).toEqual(Array(5).fill(String(holder.token + TOKENS_A_LEASE - 1)));
  });

  it('has its own lease once the block is used up, with tokens above all of the block', async () => {
    const { scene, simulation, holder, next } = await inARow(Array(TOKENS_A_LEASE + 2).fill({}));
    let lock = holder;
    const values = new Set([holder.value]);
    const tokens = [holder.token];
    for (const each of next) {
      const { commands } = scene;
      void lock.release();
      lock = await simulation.until(each);
      // Release and acquire go in one call to each node.
      expect(scene.commands - commands).toBe(values.has(lock.value) ? 0 : 5);
      values.add(lock.value);
      tokens.push(lock.token);
    }
    expect(values.size).toBe(2);
    const first = tokens[0] ?? 0;
    expect(tokens.slice(0, TOKENS_A_LEASE)).toEqual(
      Array.from({ length: TOKENS_A_LEASE }, (_, index) => first + index),
    );
    expect(tokens[TOKENS_A_LEASE]).toBeGreaterThan(first + TOKENS_A_LEASE - 1);
    await simulation.until(lock.release());
  });

  it('is one of as many also without fencing', async () => {
    const { simulation, holder, next } = await inARow(Array(TOKENS_A_LEASE + 1).fill({}), { fencing: false });
    let lock = holder;
    const values: string[] = [];
    for (const each of next) {
      void lock.release();
      lock = await simulation.until(each);
      values.push(lock.value);
    }
    expect(values.slice(0, -1)).toEqual(Array(TOKENS_A_LEASE - 1).fill(holder.value));
    expect(values.at(-1)).not.toBe(holder.value);
  });

  it('asks the nodes where the lease began a tenth of a second ago', async () => {
    const { simulation, holder, next } = await inARow();
    await simulation.advance(100);
    void holder.release();
    expect(await settled(next[0])).toBe('pending');
    const second = await simulation.until(next[0] ?? Promise.reject());
    expect(second.value).not.toBe(holder.value);
    expect(second.token).toBeGreaterThan(holder.token + TOKENS_A_LEASE - 1);
  });

  it('lets another process go first whose turn it is then', async () => {
    const { simulation, other, holder, next } = await inARow();
    const waiting = other.redlock.acquire('r', { waitTime: 1_000 });
    await simulation.advance(100);
    void holder.release();
    await simulation.until(waiting);
    expect(await settled(next[0])).toBe('pending');
    await simulation.until((await waiting).release());
    await simulation.until(next[0] ?? Promise.reject());
  });
});

describe('the ttl of the next caller', () => {
  it.each([
    ['has less than 98 % of it left', {}, 1_000, 10],
    ['is longer than the lease', { ttl: 2 * TTL }, TTL, 1],
  ])('makes the nodes extend a lease that %s, before it is handed over', async (_, caller, ttl, heldMs) => {
    const { scene, simulation, holder, next } = await inARow([{ ttl }, { ttl, ...caller }]);
    await simulation.advance(heldMs);
    const { commands } = scene;
    void holder.release();
    expect(await settled(next[0])).toBe('pending');
    const second = await simulation.until(next[0] ?? Promise.reject());
    await simulation.advance(1);
    expect(scene.commands - commands).toBe(5);
    expect(second.value).toBe(holder.value);
    expect(second.token).toBe(holder.token + 1);
    expect(second.remainingValidity()).toBeGreaterThan(second.ttl * 0.98);
    expect(scene.simulation.nodes.map(({ store }) => store.ttlOf('lock:r') > second.ttl * 0.98)).toEqual(
      Array(5).fill(true),
    );
  });

  it('is what a lock lives at the most, if its process dies: a lease that lives longer is not handed over', async () => {
    const { simulation, holder, next } = await inARow([{}, { ttl: 1_000 }]);
    void holder.release();
    const second = await simulation.until(next[0] ?? Promise.reject());
    expect(second.value).not.toBe(holder.value);
    expect(second.remainingValidity()).toBeLessThan(1_000);
  });

  it('is asked for anew where no majority extends the lease in time', async () => {
    const { scene, simulation, program, holder, next } = await inARow([{ ttl: 1_000 }, { ttl: 1_000 }]);
    await simulation.advance(20);
    const cut = program.machine.clients.slice(0, 3);
    for (const client of cut) client.cut('requests');
    const report = holder.release();
    // Longer than the nodes have to answer.
    await simulation.advance(70);
    expect(await settled(next[0])).toBe('pending');
    for (const client of cut) client.mend();
    const second = await simulation.until(next[0] ?? Promise.reject());
    // The lease was given up, not handed over.
    expect((await simulation.until(report)).handedOver).toBe(false);
    expect(second.value).not.toBe(holder.value);
    expect(second.token).toBeGreaterThan(holder.token + TOKENS_A_LEASE - 1);
    await simulation.until(second.release());
    await simulation.advance(1_100);
    expect(scene.keys).toEqual([]);
  });
});

describe('a lock that was handed over', () => {
  it('is over before the next one exists, and its signal says so', async () => {
    const { holder, next } = await inARow();
    const { signal } = holder;
    const overWhenNextBegan = next[0]?.then(() => signal.aborted && holder.remainingValidity() === 0);
    void holder.release();
    expect(signal.reason).toBeInstanceOf(LockReleasedError);
    expect(await overWhenNextBegan).toBe(true);
    await expect(holder.extend()).rejects.toThrow(LockReleasedError);
  });

  it('never speaks for the next one: released again, extended, or kept alive by using() no more', async () => {
    const { scene, simulation, program, holder, next } = await inARow();
    void holder.release();
    const second = await lockOf(next[0]);
    const report = await holder.release();
    expect(report.handedOver).toBe(true);
    expect(second.remainingValidity()).toBeGreaterThan(9_000);
    await expect(holder.extend(60_000)).rejects.toThrow(LockReleasedError);
    expect(second.remainingValidity()).toBeLessThan(TTL);
    void second.release();
    await simulation.until((await lockOf(next[1])).release());
    // A routine that releases its lock itself, and runs on for longer than its maxHold and its ttl.
    const using = program.redlock.using('r', { ttl: 400, maxHold: 300 }, async (lock) => {
      void lock.release();
      await program.machine.sleep(1_000);
    });
    await simulation.advance(1);
    const third = await simulation.until(program.redlock.acquire('r', { ttl: 60_000 }));
    await simulation.until(using);
    expect(third.signal.aborted).toBe(false);
    third.assertHeld();
    await simulation.until(third.release());
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('leaves an extension under way to the next one, which is released after it', async () => {
    const { scene, simulation, holder, next } = await inARow([{}, {}]);
    const extension = holder.extend(60_000);
    const failure = expect(extension).rejects.toThrow(LockReleasedError);
    void holder.release();
    const second = await lockOf(next[0]);
    await simulation.until(failure);
    expect(second.remainingValidity()).toBeGreaterThan(59_000);
    const late = second.extend(50_000);
    late.catch(() => undefined);
    await simulation.until(second.release());
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('loses the lease of the next one too if a majority denies its extension', async () => {
    const { simulation, scene, holder, next } = await inARow([{}, {}]);
    for (const { store, timeUs } of scene.simulation.nodes.slice(0, 3)) {
      store.delete('lock:r');
      store.set(fenceKeyOf('lock:r'), String(timeUs + 1e6), '3600000');
    }
    const extension = expect(holder.extend()).rejects.toThrow(LockReleasedError);
    void holder.release();
    const second = await lockOf(next[0]);
    const { signal } = second;
    await simulation.until(extension);
    expect(signal.reason).toBeInstanceOf(LockLostError);
    expect(() => second.assertHeld()).toThrow(LockLostError);
  });
});

describe('a lease', () => {
  it('that is lost is not handed over: the next caller asks the nodes', async () => {
    const { simulation, program, holder, next } = await inARow([{ ttl: 1_000 }, { ttl: 1_000 }]);
    const keysUntilMs = simulation.nowMs + holder.remainingValidity();
    program.machine.clock.stepWall(5_000);
    expect(holder.remainingValidity()).toBe(0);
    const second = await simulation.until(next[0] ?? Promise.reject());
    // The nodes kept the keys for as long as the holder could count on them.
    expect(simulation.nowMs).toBeGreaterThanOrEqual(keysUntilMs);
    expect(second.token).toBeGreaterThan(holder.token + TOKENS_A_LEASE - 1);
  });

  it('that is lost is released as soon as its holder releases it', async () => {
    const { simulation, program, holder, next } = await inARow([{ ttl: 1_000 }, { ttl: 1_000 }]);
    program.machine.clock.stepWall(5_000);
    const beforeMs = simulation.nowMs;
    void holder.release();
    await simulation.until(next[0] ?? Promise.reject());
    expect(simulation.nowMs - beforeMs).toBeLessThan(10);
  });

  it('whose holder never releases it is the next caller’s to ask for once its validity has ended', async () => {
    const { scene, simulation, holder, next } = await inARow([{ ttl: 1_000 }, { ttl: 1_000 }]);
    const second = await simulation.until(next[0] ?? Promise.reject());
    expect(holder.remainingValidity()).toBe(0);
    expect(second.remainingValidity()).toBeGreaterThan(900);
    await simulation.until(second.release());
    await simulation.advance(2_000);
    expect(scene.keys).toEqual([]);
  });

  it('that no caller wants any more when it has been extended for one is released', async () => {
    const leaving = new AbortController();
    const { scene, simulation, holder, next } = await inARow([
      { ttl: 1_000 },
      { ttl: 1_000, signal: leaving.signal },
    ]);
    await simulation.advance(20);
    const report = holder.release();
    leaving.abort(new Error('left'));
    await expect(next[0]).rejects.toThrow('left');
    expect((await simulation.until(report)).handedOver).toBe(false);
    await simulation.advance(10);
    expect(scene.keys).toEqual([]);
  });

  it.each(['before a hand-over', 'while it is extended for the next caller'])(
    'is released by close() %s, and nothing is left',
    async (when) => {
      const { scene, simulation, program, holder, next } = await inARow([{ ttl: 1_000 }, { ttl: 1_000 }]);
      await simulation.advance(20);
      if (when !== 'before a hand-over') void holder.release();
      const closed = expect(next[0]).rejects.toMatchObject({ code: 'QUORLOCK_CLOSED' });
      await simulation.until(program.redlock.close());
      await closed;
      expect(holder.remainingValidity()).toBe(0);
      expect(scene.keys).toEqual([]);
    },
  );

  it('becomes a read lock, and is not handed over then', async () => {
    const { scene, simulation, program, holder, next } = await inARow([{}, {}]);
    const read = await simulation.until(program.redlock.readWrite('r').downgrade(holder));
    await simulation.advance(100);
    expect(await settled(next[0])).toBe('pending');
    expect(read.token).toBeGreaterThan(holder.token);
    await simulation.until(read.release());
    const second = await simulation.until(next[0] ?? Promise.reject());
    expect(second.token).toBeGreaterThan(read.token);
    await simulation.until(second.release());
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('of a lock over several resources is handed over as one', async () => {
    const { scene, simulation, program } = await inARow();
    const [first, second] = [1, 2].map(() => program.redlock.acquire(['a', 'b'], { ttl: TTL }));
    const lock = await simulation.until(first ?? Promise.reject());
    await simulation.advance(1);
    const { commands } = scene;
    void lock.release();
    const next = await lockOf(second);
    expect(scene.commands).toBe(commands);
    expect(next.token).toBe(lock.token + 1);
  });

  it('is not handed over among readers', async () => {
    const { scene, simulation, program } = await inARow();
    const shared = program.redlock.readWrite('w');
    const reads = await simulation.until(Promise.all([shared.acquireRead(), shared.acquireRead()]));
    expect(reads[0]?.value).not.toBe(reads[1]?.value);
    expect(scene.overlaps).toBe(0);
  });
});
