import { describe, expect, it } from 'vitest';
import { LockLostError, NoQuorumError } from '../../../src/index.ts';
import { Simulation, type SimulationOptions } from '../../../src/testing/index.ts';

/** A few machines that lock and give back, on a network where everything may happen. */
async function story(seed: number): Promise<readonly string[]> {
  const lines: string[] = [];
  const simulation = new Simulation({
    nodes: 3,
    seed,
    network: { loss: 0.01, doubling: 0.1, overtaking: 0.1, latency: { median: 1, p99: 20 } },
    trace: (line) => lines.push(line),
  });
  const machines = [1, 2, 3].map(() => simulation.machine());
  const work = machines.map(async (machine) => {
    const redlock = machine.redlock();
    for (let turn = 0; turn < 5; turn += 1) {
      const lock = await redlock.acquire('page').catch(() => undefined);
      await machine.sleep(10);
      await lock?.release();
    }
  });
  simulation.nodes[0]?.restart({ keepMemory: false });
  machines[1]?.pause(70);
  await simulation.until(Promise.all(work));
  return lines;
}

/** What becomes of callers who want locks of every kind, and when. */
async function outcomes(trace?: (line: string) => void): Promise<readonly string[]> {
  const seen: string[] = [];
  const simulation = new Simulation({ nodes: 3, ...(trace && { trace }) });
  const machines = [1, 2, 3].map(() => simulation.machine());
  const work = machines.map(async (machine) => {
    const redlock = machine.redlock({ waitTime: 300 });
    const pages = redlock.semaphore('pages', 3);
    const table = redlock.readWrite('table');
    const kinds = [
      () => pages.acquire(),
      () => pages.acquire(),
      () => table.acquireRead(),
      () => redlock.acquire(['table', 'chair']),
      async () => redlock.adopt((await redlock.acquire('chair')).handOver()),
    ];
    for (let turn = 0; turn < 10; turn += 1) {
      const calls = kinds.map(async (acquire) => {
        const lock = await acquire();
        await machine.sleep(5);
        await lock.release();
        return lock.value;
      });
      const results = await Promise.allSettled(calls);
      for (const result of results)
        seen.push(result.status === 'fulfilled' ? result.value : String(result.reason));
      seen.push(String(simulation.nowMs));
    }
  });
  await simulation.until(Promise.all(work));
  return seen;
}

describe('a simulation', () => {
  it('is the same whether it is traced or not', async () => {
    const lines: string[] = [];
    expect(await outcomes((line) => lines.push(line))).toEqual(await outcomes());
    expect(lines.join('\n')).toMatch(/permit .* open \d/);
  });

  it('ends with the error of its trace', async () => {
    const fault = new Error('the disk is full');
    const simulation = new Simulation({
      trace: (line) => {
        if (line.includes('acquire')) throw fault;
      },
    });
    const redlock = simulation.machine().redlock();
    await expect(simulation.until(redlock.acquire('page'))).rejects.toBe(fault);
  });

  it('is the same again for the same seed, and another one for another', async () => {
    const [once, again, other] = [await story(7), await story(7), await story(8)];
    expect(again).toEqual(once);
    expect(other).not.toEqual(once);
    expect(once.join('\n')).toContain('acquire lock:page (value ');
  });

  it('tests a program as docs/testing.md shows it', async () => {
    await import('../docs/snippets/testing.ts');
  });

  it('takes no real time', async () => {
    const simulation = new Simulation();
    const redlock = simulation.machine().redlock();
    const lock = await simulation.until(redlock.acquire('page', { ttl: 30_000 }));
    await simulation.advance(29_000);
    lock.assertHeld();
    await simulation.advance(1_000);
    expect(() => lock.assertHeld()).toThrow(LockLostError);
    expect(simulation.nowMs).toBeGreaterThan(30_000);
  });

  it('lets a process that was paused find out that its lock is lost, before any timer', async () => {
    const simulation = new Simulation();
    const machine = simulation.machine();
    const redlock = machine.redlock({ ttl: 5_000 });
    const lock = await simulation.until(redlock.acquire('page'));
    const checked = machine.sleep(50).then(() => lock.signal.aborted);
    machine.pause(60_000);
    expect(await simulation.until(checked)).toBe(true);
    expect(machine.state).toBe('running');
  });

  it('keeps a suspended machine from noticing by its monotonic clock', async () => {
    const simulation = new Simulation();
    const machine = simulation.machine();
    const before = machine.clock.monotonic();
    machine.suspend(60_000);
    await simulation.advance(60_000);
    expect(machine.clock.monotonic()).toBeCloseTo(before);
    expect(machine.state).toBe('running');
  });

  it('leaves the lock of a dead machine to expire', async () => {
    const simulation = new Simulation();
    const dying = simulation.machine();
    await simulation.until(dying.redlock().acquire('page', { ttl: 5_000 }));
    dying.kill();
    const next = simulation.machine().redlock();
    expect(await simulation.until(next.tryAcquire('page'))).toBeNull();
    await simulation.until(next.acquire('page', { waitTime: 6_000 }));
    expect(dying.state).toBe('dead');
  });

  it('has clocks that run wrong, each machine its own', async () => {
    const simulation = new Simulation();
    const fast = simulation.machine({ clocks: { rate: 2, wallOffsetMs: 5_000 } });
    const slow = simulation.machine({ clocks: { rate: 0.5 } });
    const ahead = fast.clock.wall() - slow.clock.wall();
    expect(ahead).toBe(5_000);
    const order: string[] = [];
    void slow.sleep(100).then(() => order.push(`slow at ${simulation.nowMs.toFixed(0)}`));
    void fast.sleep(100).then(() => order.push(`fast at ${simulation.nowMs.toFixed(0)}`));
    await simulation.advance(1_000);
    expect(order).toEqual(['fast at 50', 'slow at 200']);
    expect(fast.clock.wall() - slow.clock.wall()).toBe(6_500);
  });

  it('cuts groups off from each other, until it is healed', async () => {
    const simulation = new Simulation({ nodes: 3 });
    const [left, right] = [simulation.machine(), simulation.machine()];
    const [inLeft, inRight] = [left.redlock(), right.redlock()];
    for (const redlock of [inLeft, inRight])
      await simulation.until(redlock.acquire(`first of ${redlock === inLeft}`));
    simulation.partition([left, ...simulation.nodes.slice(0, 1)]);
    await expect(simulation.until(inLeft.acquire('page'))).rejects.toThrow(NoQuorumError);
    const lock = await simulation.until(inRight.acquire('page'));
    lock.assertHeld();
    simulation.heal();
    await simulation.until(lock.release());
    await simulation.until(inLeft.acquire('page'));
  });

  it('lets a stale replica take over, which does not vote for now', async () => {
    const simulation = new Simulation({ nodes: 1 });
    const redlock = simulation.machine().redlock();
    await simulation.until(redlock.acquire('earlier'));
    const [node] = simulation.nodes;
    const replica = node?.snapshot();
    await simulation.until(redlock.acquire('page'));
    if (node === undefined || replica === undefined) throw new Error('there is no node');
    expect(node.store.get('lock:page')).toBeDefined();
    node.failOver(replica);
    expect(node.store.get('lock:page')).toBeUndefined();
    expect(node.store.get('lock:earlier')).toBeDefined();
    await simulation.advance(500);
    await expect(simulation.until(redlock.acquire('page'))).rejects.toThrow(/votes again at/);
  });

  it('shows parts of a latency that JSON does not have', () => {
    const network = { latency: { least: 1n, most: 2n } };
    const options = { network } as unknown as SimulationOptions;
    expect(() => new Simulation(options)).toThrow('got {"least":"1n","most":"2n"}');
  });

  it.each([
    [{ nodes: 0 }, RangeError, 'nodes must be from 1 to 99: got 0'],
    [{ nodes: 2.5 }, TypeError, 'nodes must be an integer: got 2.5'],
    [{ seed: -1 }, RangeError, 'seed must be from 0 to 4294967295: got -1'],
    [{ network: { latency: { least: 5, most: 1 } } }, RangeError, 'got {"least":5,"most":1}'],
    [{ network: { latency: { median: 0, p99: 1 } } }, RangeError, 'got {"median":0,"p99":1}'],
    [{ network: { latency: { mean: Number.NaN } } }, RangeError, 'got {"mean":"NaN"}'],
    [{ network: 5 }, TypeError, 'network must be an object: got 5'],
    [{ network: { loss: 2 } }, RangeError, 'network.loss must be a number from 0 to 1: got 2'],
    [{ network: { doublingDelay: 5 } }, TypeError, 'network.doublingDelay must be an object: got 5'],
    [
      { network: { reconnectDelay: -1 } },
      RangeError,
      'network.reconnectDelay must be milliseconds from 0: got -1',
    ],
    [{ network: { resends: 'no' } }, TypeError, 'network.resends must be true or false: got "no"'],
  ] as const)('refuses %j', (options, kind, message) => {
    expect(() => new Simulation(options as SimulationOptions)).toThrow(kind);
    expect(() => new Simulation(options as SimulationOptions)).toThrow(message);
  });
});
