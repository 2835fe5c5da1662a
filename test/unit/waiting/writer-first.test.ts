import { describe, expect, it } from 'vitest';
import { WaitTimeoutError } from '../../../src/index.ts';
import { type Program, Scene } from './scene.ts';

/** Called waiters have as long as a node has to answer. */
const GRACE_MS = 50;

/** A reader that stays for ten minutes, a writer that waits behind it, and other programs. */
async function sceneWithWriter(others: number) {
  const scene = new Scene();
  const [reader, writer, ...programs] = await scene.programs(2 + others, { ttl: 600_000, maxTtl: 600_000 });
  if (reader === undefined || writer === undefined) throw new Error('too few');
  const { simulation } = scene;
  const reading = await simulation.until(reader.redlock.readWrite('r').acquireRead());
  const writing = writer.redlock.readWrite('r').acquireWrite({ waitTime: 600_000 });
  writing.catch(() => undefined);
  await simulation.advance(50);
  return { scene, simulation, reading, writer, writing, programs };
}

/** How long a reader waits until it reads, for 5 ms. */
async function read(scene: Scene, { machine, redlock }: Program): Promise<number> {
  const askedAt = scene.simulation.nowMs;
  const lock = await redlock.readWrite('r').acquireRead({ waitTime: 60_000 });
  const waited = scene.simulation.nowMs - askedAt;
  await machine.sleep(5);
  await lock.release();
  return waited;
}

describe('a writer that waits while readers stay', () => {
  it('and was killed keeps no reader out', async () => {
    const { scene, simulation, writer, programs } = await sceneWithWriter(5);
    writer.machine.kill();
    await simulation.advance(10);
    const waits = await simulation.until(Promise.all(programs.map((program) => read(scene, program))));
    expect(Math.max(...waits)).toBeLessThan(5);
  });

  it('and was killed keeps out no reader that does not wait', async () => {
    const { simulation, writer, programs } = await sceneWithWriter(1);
    writer.machine.kill();
    await simulation.advance(10);
    const [program] = programs;
    expect(
      await simulation.until(
        program?.redlock.readWrite('r').acquireRead({ waitTime: 0 }) ?? Promise.reject(),
      ),
    ).toMatchObject({ isShared: true });
  });

  it('and hangs costs readers one grace', async () => {
    const { scene, simulation, writer, programs } = await sceneWithWriter(5);
    writer.machine.pause(600_000);
    const waits = await simulation.until(Promise.all(programs.map((program) => read(scene, program))));
    expect(Math.max(...waits)).toBeGreaterThan(GRACE_MS - 5);
    expect(Math.max(...waits)).toBeLessThan(2 * GRACE_MS);
  });

  it('and hangs after readers have waited behind it for long costs them no more than two seconds', async () => {
    const { scene, simulation, writer, programs } = await sceneWithWriter(5);
    const waiting = programs.map((program) => read(scene, program));
    await simulation.advance(20_000);
    writer.machine.pause(600_000);
    const hungAt = simulation.nowMs;
    await simulation.until(Promise.all(waiting));
    expect(simulation.nowMs - hungAt).toBeLessThan(2_000 + 2 * GRACE_MS);
  });

  it('and comes when it is called goes first, however many readers ask, and sends little', async () => {
    const { scene, simulation, reading, writer, writing, programs } = await sceneWithWriter(20);
    const waiting = programs.map(async (program, index) => {
      await program.machine.sleep(20 * index);
      return read(scene, program);
    });
    await simulation.advance(2_000);
    const before = scene.commands;
    await simulation.advance(10_000);
    // Attempts a second for each reader, and those of the writer that they call.
    expect((scene.commands - before) / (10 * 5 * programs.length)).toBeLessThan(3);
    let isWritten = false;
    const written = writing.then(async (lock) => {
      await writer.machine.sleep(10);
      isWritten = true;
      await lock.release();
    });
    await simulation.until(reading.release());
    await simulation.advance(9);
    expect(isWritten).toBe(false);
    const states = waiting.map((wait) => wait.then(() => isWritten));
    await simulation.until(Promise.all([written, ...states]));
    expect(new Set(await Promise.all(states))).toEqual(new Set([true]));
  });

  it('is named in the error of a reader that waited in vain, or did not wait', async () => {
    const { simulation, programs } = await sceneWithWriter(1);
    const [program] = programs;
    if (program === undefined) throw new Error('too few');
    const lock = program.redlock.readWrite('r');
    const outcomes = [0, 500].map((waitTime) =>
      lock.acquireRead({ waitTime }).catch((error: unknown) => error),
    );
    const [held, timedOut] = await simulation.until(Promise.all(outcomes));
    for (const error of [held, timedOut]) {
      expect(String(error)).toContain('held by readers, and a writer that waits goes first');
      expect(error).toMatchObject({ holderRemainingTtl: expect.any(Number) });
    }
    expect(timedOut).toBeInstanceOf(WaitTimeoutError);
  });
});
