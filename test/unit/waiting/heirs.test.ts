import { describe, expect, it } from 'vitest';
import type { Lock } from '../../../src/index.ts';
import { held, MOMENT_MS, microtasks, owners, settled, TTL } from './heritage.ts';
import { type Program, Scene } from './scene.ts';

describe('where locks are held for a moment, the next caller of a process', () => {
  it('has the lock as soon as it is given back, without asking any node', async () => {
    const { scene, simulation, holder, third } = await held();
    await simulation.advance(MOMENT_MS);
    const heir = owners(scene)[0];
    expect(heir).not.toBe(holder.value);
    expect(owners(scene)).toEqual(Array(5).fill(heir));
    expect(await settled(third)).toBe('pending');
    expect(holder.remainingValidity()).toBeGreaterThan(0);
    const { commands } = scene;
    const report = holder.release();
    await microtasks();
    const next = await settled(third);
    expect(next).toMatchObject({ value: heir });
    expect(scene.commands).toBe(commands);
    expect(await simulation.until(report)).toMatchObject({
      freed: true,
      votes: Array(5).fill({ outcome: 'held', remainingTtl: TTL }),
    });
    expect((next as Lock).token).toBeGreaterThan(holder.token);
    await simulation.until((next as Lock).release());
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('has it then also where nobody has had this lock before, if others are held for a moment in this process', async () => {
    const { scene, simulation, program, holder, third } = await held();
    await simulation.until(holder.release());
    await simulation.until((await simulation.until(third)).release());
    const [first, second] = [1, 2].map(() => program.redlock.acquire('another', { waitTime: 600_000 }));
    if (first === undefined || second === undefined) throw new Error('too few');
    const lock = await simulation.until(first);
    await simulation.advance(MOMENT_MS);
    void lock.release();
    await microtasks();
    const next = await settled(second);
    expect(next).toMatchObject({ resources: ['another'] });
    await simulation.until((next as Lock).release());
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it.each([
    { name: 'nodes have answered for the next one', options: {}, heldMs: 2, each: 5 },
    {
      name: 'nodes have said nothing of it',
      options: { network: { latency: { least: 1, most: 5 } } },
      heldMs: 0.5,
      each: 5.2,
    },
  ])('costs one call a node for each lock, given back when $name', async ({ options, heldMs, each }) => {
    const scene = new Scene(options);
    const [program] = await scene.programs(1);
    if (program === undefined) throw new Error('too few');
    const before = scene.commands;
    const all = Array.from({ length: 100 }, (_, index) => scene.hold(program, `caller ${index}`, heldMs));
    await scene.simulation.until(Promise.all(all));
    expect(scene.commands - before).toBeLessThanOrEqual(each * (all.length + 2));
    expect(scene.overlaps).toBe(0);
    await scene.simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it.each([60, 5_000])('gets a lock that is as good as new, if the holder took %i ms', async (heldMs) => {
    const ttl = heldMs * 10;
    const { scene, simulation, holder, third } = await held({ ttls: [ttl, ttl], options: { maxTtl: ttl } });
    await simulation.advance(heldMs);
    expect(owners(scene)[0]).not.toBe(holder.value);
    const report = holder.release();
    const next = await simulation.until(third);
    expect(next.remainingValidity()).toBeGreaterThan(ttl * 0.97);
    await simulation.until(Promise.all([report, next.release()]));
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('is not asked for ahead where locks are held for longer', async () => {
    const { scene, simulation, holder, third } = await held({ ttls: [1_000, 1_000], earlierMs: 30 });
    await simulation.advance(30);
    expect(owners(scene)).toEqual(Array(5).fill(holder.value));
    await simulation.until(holder.release());
    await simulation.until((await simulation.until(third)).release());
  });

  it.each([
    ['a shorter ttl', [TTL, TTL - 1]],
    ['a longer ttl', [TTL, TTL + 1]],
  ] as const)('gets the ttl that it asked for: %s', async (_, ttls) => {
    const { simulation, holder, third } = await held({ ttls, options: { maxTtl: 60_000 } });
    await simulation.advance(MOMENT_MS);
    void holder.release();
    const next = await simulation.until(third);
    expect(next.ttl).toBe(ttls[1]);
    await simulation.until(next.release());
  });

  /** Somebody for whom the lock is asked for ahead leaves. */
  async function left(next?: { readonly ttl: number }) {
    const scene = new Scene();
    const [program, other] = await scene.programs(2, { maxTtl: 60_000 });
    if (program === undefined || other === undefined) throw new Error('too few');
    const { simulation } = scene;
    const { redlock } = program;
    const leaving = new AbortController();
    const [first, second] = [redlock.acquire('r'), redlock.acquire('r')];
    const third = expect(redlock.acquire('r', { signal: leaving.signal })).rejects.toThrow('left');
    const fourth = next === undefined ? undefined : redlock.acquire('r', next);
    const lock = await simulation.until(first);
    await simulation.advance(MOMENT_MS);
    void lock.release();
    const holder = await simulation.until(second);
    await simulation.advance(5);
    expect(owners(scene)[0]).not.toBe(holder.value);
    leaving.abort(new Error('left'));
    await third;
    return { scene, simulation, program, other, holder, fourth };
  }

  it('may leave: what was asked for it goes when the holder goes, and then others get it', async () => {
    const { scene, simulation, other, holder } = await left();
    const waiting = other.redlock.acquire('r', { waitTime: 5_000 });
    await simulation.advance(20);
    expect(await settled(waiting)).toBe('pending');
    expect(holder.remainingValidity()).toBeGreaterThan(0);
    await simulation.until(holder.release());
    await simulation.until((await simulation.until(waiting)).release());
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('may leave, and a clock jump: whoever asks then has to wait until nobody can count on the lock', async () => {
    const { simulation, program, holder } = await left();
    const untilMs = simulation.nowMs + holder.remainingValidity();
    program.machine.clock.stepWall(20_000);
    expect(holder.remainingValidity()).toBe(0);
    const next = await simulation.until(program.redlock.acquire('r', { waitTime: 60_000 }));
    expect(simulation.nowMs).toBeGreaterThanOrEqual(untilMs);
    await simulation.until(next.release());
  });

  it('may leave to one who wants another ttl', async () => {
    const { scene, simulation, holder, fourth } = await left({ ttl: 30_000 });
    void holder.release();
    const next = await simulation.until(fourth ?? Promise.reject(new Error('nobody is next')));
    expect(next.ttl).toBe(30_000);
    expect(next.remainingValidity()).toBeGreaterThan(29_000);
    await simulation.until(next.release());
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('gets the lock of a holder that never gives it back once its validity has ended', async () => {
    const { scene, simulation, holder, third } = await held({ ttls: [1_000, 1_000] });
    const heldUntilMs = simulation.nowMs + holder.remainingValidity();
    const next = await simulation.until(third);
    expect(simulation.nowMs).toBeGreaterThanOrEqual(heldUntilMs);
    expect(holder.remainingValidity()).toBe(0);
    expect(next.remainingValidity()).toBeGreaterThan(900);
    await simulation.until(next.release());
    await simulation.advance(2_000);
    expect(scene.keys).toEqual([]);
  });

  it('hears that the Redlock was closed, and nothing is left', async () => {
    const { scene, simulation, program, third } = await held();
    await simulation.advance(MOMENT_MS);
    const closed = expect(third).rejects.toMatchObject({ code: 'QUORLOCK_CLOSED' });
    await simulation.until(program.redlock.close());
    await closed;
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });
});

describe('a lock that has an heir', () => {
  it('is given back on every node all the same: a command may have been sent twice', async () => {
    const lines: string[] = [];
    const { scene, simulation, holder, third } = await held({ trace: (line) => lines.push(line) });
    await simulation.advance(MOMENT_MS);
    void holder.release();
    await simulation.until((await simulation.until(third)).release());
    await simulation.advance(1_000);
    const releases = lines.filter((line) =>
      line.includes(`release lock:r (value ${holder.value.slice(-6)})`),
    );
    expect(releases).toHaveLength(scene.simulation.nodes.length);
  });

  it('is given back soon also where nothing was heard of the heir when it had won', async () => {
    const { scene, simulation, program, holder, third } = await held();
    const deaf = program.machine.clients.slice(3);
    for (const client of deaf) void client.cut('both');
    await simulation.advance(MOMENT_MS);
    const { freed, votes } = await simulation.until(holder.release());
    const outcomes = votes.map(({ outcome }) => outcome);
    expect({ freed, outcomes }).toEqual({
      freed: true,
      outcomes: ['held', 'held', 'held', 'pending', 'pending'],
    });
    expect(owners(scene)[4]).toBe(holder.value);
    // What the heir asked of them comes after its deadline.
    await simulation.advance(100);
    for (const client of deaf) client.mend();
    const next = await simulation.until(third);
    await simulation.advance(1_000);
    expect(owners(scene)).not.toContain(holder.value);
    await simulation.until(next.release());
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('is given back as soon as it is known that no heir has it', async () => {
    const { scene, simulation, program, other, holder, third } = await held();
    const { clients } = program.machine;
    for (const client of clients.slice(2)) void client.cut('both');
    await simulation.advance(MOMENT_MS);
    const report = holder.release();
    const failure = third.catch((error: unknown) => error);
    expect(await settled(report)).toBe('pending');
    expect(await simulation.until(failure)).toMatchObject({ code: 'QUORLOCK_NO_QUORUM' });
    for (const client of clients) client.mend();
    expect((await simulation.until(report)).votes).toHaveLength(5);
    await simulation.until(
      (await simulation.until(other.redlock.acquire('r', { waitTime: 1_000 }))).release(),
    );
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('keeps what protects it, also where the heir did not get a majority', async () => {
    const { scene, simulation, program, other, holder, third } = await held({
      // Its locks have three nodes.
      before: (_, { machine: { clients } }) => clients.slice(3).forEach((client) => void client.cut('both')),
    });
    // Two nodes hear of the heir.
    program.machine.clients[2]?.cut('both');
    await simulation.advance(500);
    expect(owners(scene)[2]).toBe(holder.value);
    expect(owners(scene)[0]).not.toBe(holder.value);
    expect(holder.remainingValidity()).toBeGreaterThan(9_000);
    for (let tries = 0; tries < 20; tries += 1) {
      expect(await simulation.until(other.redlock.tryAcquire('r'))).toBeNull();
      await simulation.advance(10);
    }
    for (const client of program.machine.clients) client.mend();
    await simulation.until(holder.release());
    const next = await simulation.until(third);
    await simulation.until(next.release());
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('is not followed by it before nobody can count on what it said once, also if a clock has jumped', async () => {
    const { simulation, program, holder, third } = await held({ ttls: [1_000, 1_000] });
    await simulation.advance(MOMENT_MS);
    const untilMs = simulation.nowMs + holder.remainingValidity();
    program.machine.clock.stepWall(5_000);
    expect(holder.remainingValidity()).toBe(0);
    const next = await simulation.until(third);
    expect(simulation.nowMs).toBeGreaterThanOrEqual(untilMs);
    await simulation.until(next.release());
  });

  it('is followed at once if it is given back, lost or not', async () => {
    const { simulation, program, holder, third } = await held({ ttls: [1_000, 1_000] });
    await simulation.advance(MOMENT_MS);
    program.machine.clock.stepWall(5_000);
    void holder.release();
    const fromMs = simulation.nowMs;
    const next = await simulation.until(third);
    expect(simulation.nowMs - fromMs).toBeLessThan(10);
    expect(next.remainingValidity()).toBeGreaterThan(900);
    await simulation.until(next.release());
  });

  it.each([
    ['at once', 10_000, (tookMs: number, _: number) => tookMs < 10],
    [
      'for longer only when what the heir has asked for is past its deadline',
      60_000,
      (tookMs: number, nodeTimeout: number) => tookMs >= 2 * nodeTimeout,
    ],
  ] as const)('can be extended when the heir came to nothing, %s', async (_, ttl, isExpected) => {
    const nodeTimeout = 100;
    const { scene, simulation, program, holder } = await held({
      options: { maxTtl: 60_000, nodeTimeout },
    });
    // Nobody hears of the heir; what is on the way comes to nothing.
    for (const client of program.machine.clients) client.cut('requests');
    await simulation.advance(2 * nodeTimeout);
    for (const client of program.machine.clients) client.mend();
    await simulation.advance(5);
    expect(owners(scene)).toEqual(Array(5).fill(holder.value));
    const fromMs = simulation.nowMs;
    await simulation.until(holder.extend(ttl));
    expect(isExpected(simulation.nowMs - fromMs, nodeTimeout)).toBe(true);
    expect(holder.remainingValidity()).toBeGreaterThan(ttl * 0.98);
  });

  it('has none that would make it shorter', async () => {
    const { scene, simulation, holder, other } = await held({ ttls: [TTL, 100], options: { maxTtl: TTL } });
    await simulation.advance(200);
    expect(owners(scene)).toEqual(Array(5).fill(holder.value));
    expect(await simulation.until(other.redlock.tryAcquire('r'))).toBeNull();
  });

  it('has none while an extension is under way that would last longer', async () => {
    const scene = new Scene({ network: { latency: { least: 0.2, most: 0.3 } } });
    const [program, other] = await scene.programs(2, { maxTtl: 60_000 });
    if (program === undefined || other === undefined) throw new Error('too few');
    const { simulation } = scene;
    const options = { ttl: 1_000, waitTime: 60_000 };
    const [first, second, third] = [1, 2, 3].map(() => program.redlock.acquire('r', options));
    if (first === undefined || second === undefined || third === undefined) throw new Error('too few');
    const lock = await simulation.until(first);
    await simulation.advance(MOMENT_MS);
    void lock.release();
    // As soon as it has it, before anything is asked for the next one.
    const extended = second.then((holder) => holder.extend(60_000));
    await simulation.until(extended);
    const holder = await simulation.until(second);
    expect(holder.remainingValidity()).toBeGreaterThan(59_000);
    await simulation.advance(5_000);
    expect(owners(scene)).toEqual(Array(5).fill(holder.value));
    expect(await simulation.until(other.redlock.tryAcquire('r'))).toBeNull();
    await simulation.until(holder.release());
    await simulation.until((await simulation.until(third)).release());
  });

  it.each([
    ['is there', MOMENT_MS],
    ['is being asked for', 0],
  ])('can be extended: it %s', async (_, afterMs) => {
    const { scene, simulation, holder, other, third } = await held({ ttls: [1_000, 1_000] });
    await simulation.advance(afterMs);
    const leftMs = await simulation.until(holder.extend());
    expect(leftMs).toBeGreaterThan(980);
    await simulation.advance(600);
    await simulation.until(holder.extend());
    await simulation.advance(600);
    // Long after the ttl of all that was granted.
    expect(holder.remainingValidity()).toBeGreaterThan(300);
    expect(await simulation.until(other.redlock.tryAcquire('r'))).toBeNull();
    await simulation.until(holder.release());
    const next = await simulation.until(third);
    expect(next.token).toBeGreaterThan(holder.token);
    expect(next.remainingValidity()).toBeGreaterThan(980);
    await simulation.until(next.release());
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('can become a read lock, and the heir gets nothing before that is given back', async () => {
    const { scene, simulation, program, holder, third } = await held();
    await simulation.advance(MOMENT_MS);
    expect(owners(scene)[0]).not.toBe(holder.value);
    const read = await simulation.until(program.redlock.readWrite('r').downgrade(holder));
    await simulation.advance(100);
    expect(await settled(third)).toBe('pending');
    expect(read.token).toBeGreaterThan(holder.token);
    expect(read.remainingValidity()).toBeGreaterThan(9_000);
    await simulation.until(read.release());
    await simulation.until((await simulation.until(third)).release());
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });
});

describe('a process whose only caller asks again as soon as it has given the lock back', () => {
  const rounds = async (scene: Scene, { machine, redlock }: Program, who: string, count: number) => {
    for (let round = 0; round < count; round += 1) {
      await scene.hold({ machine, redlock }, who, 1);
    }
  };

  it('has it for a turn, and then the other one has', async () => {
    const scene = new Scene({ network: { latency: { least: 0.1, most: 0.2 } } });
    const [one, two] = await scene.programs(2);
    if (one === undefined || two === undefined) throw new Error('too few');
    const before = scene.commands;
    await scene.simulation.until(Promise.all([rounds(scene, one, 'one', 80), rounds(scene, two, 'two', 80)]));
    const { order } = scene;
    const changes = order.filter((who, place) => place > 0 && who !== order[place - 1]).length;
    // Eight at a time, once both know that the other one comes back.
    expect(changes).toBeLessThanOrEqual(160 / 8 + 6);
    expect(changes).toBeGreaterThanOrEqual(160 / 8 - 4);
    expect((scene.commands - before) / order.length).toBeLessThan(8);
    expect(scene.overlaps).toBe(0);
    await scene.simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('does not keep it for one that does not come back', async () => {
    const scene = new Scene({ network: { latency: { least: 0.1, most: 0.2 } } });
    const [one, two] = await scene.programs(2);
    if (one === undefined || two === undefined) throw new Error('too few');
    const { simulation } = scene;
    const coming = rounds(scene, one, 'one', 60);
    const other = rounds(scene, two, 'two', 20);
    await simulation.until(Promise.all([coming, other]));
    const waiting = rounds(scene, two, 'two', 1);
    const lastOfOne = scene.turns.filter(({ who }) => who === 'one').at(-1);
    await simulation.until(waiting);
    expect(scene.turns.at(-1)?.from).toBeGreaterThan(lastOfOne?.to ?? Number.POSITIVE_INFINITY);
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
    expect(scene.overlaps).toBe(0);
  });
});
