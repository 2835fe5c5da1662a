import { describe, expect, it } from 'vitest';
import { type Program, Scene } from './scene.ts';

const PATIENT = { waitTime: 600_000 };

/** One program holds b; a second one wants a and b; a third one has a again and again. */
async function sceneOfThree() {
  const scene = new Scene();
  const [holder, waiter, third] = await scene.programs(3);
  const held = await scene.simulation.until(holder.redlock.acquire('b'));
  const both = waiter.redlock.acquire(['a', 'b'], PATIENT);
  both.catch(() => undefined);
  await scene.simulation.advance(20);
  return { scene, simulation: scene.simulation, held, waiter, both, third };
}

/** How long it takes until a program has a resource. */
async function wait({ simulation }: Scene, { redlock }: Program, resource: string): Promise<number> {
  const askedAt = simulation.nowMs;
  const lock = await redlock.acquire(resource, PATIENT);
  await lock.release();
  return simulation.nowMs - askedAt;
}

describe('the oldest waiter for several resources', () => {
  it('keeps those that are free while it waits for the rest, with little to send', async () => {
    const { scene, simulation, held, both, third } = await sceneOfThree();
    const single = wait(scene, third, 'a');
    await simulation.advance(5_000);
    const before = scene.commands;
    await simulation.advance(10_000);
    // It asks all nodes once a second or so, and the other one asks one node.
    expect((scene.commands - before) / 10).toBeLessThan(15);
    await simulation.until(held.release());
    const lock = await simulation.until(both);
    expect(lock.resources).toEqual(['a', 'b']);
    await simulation.until(lock.release());
    await simulation.until(single);
    await simulation.advance(3_000);
    expect(scene.keys).toEqual([]);
  });

  it('has the program that released a resource look whether it came, and not for as long as it keeps that', async () => {
    const inspections: string[] = [];
    const scene = new Scene({
      trace: (line) => void (line.includes(': inspect ') && inspections.push(line)),
    });
    const { simulation } = scene;
    const [holder, waiter, releaser, third] = await scene.programs(4);
    const held = await simulation.until(holder.redlock.acquire('b'));
    const first = await simulation.until(releaser.redlock.acquire('a'));
    const both = waiter.redlock.acquire(['a', 'b'], PATIENT);
    await simulation.advance(5_000);
    const single = wait(scene, third, 'a');
    await simulation.advance(100);
    inspections.length = 0;
    await simulation.until(first.release());
    await simulation.advance(2_000);
    const { name } = releaser.machine;
    expect(inspections.filter((line) => line.includes(`for ${name}:`))).toHaveLength(1);
    await simulation.until(held.release());
    await simulation.until((await simulation.until(both)).release());
    await simulation.until(single);
  });

  it('keeps nothing once it was killed', async () => {
    const { scene, simulation, waiter, third } = await sceneOfThree();
    waiter.machine.kill();
    // What it kept is good for twice as long as it takes until it asks again.
    expect(await simulation.until(wait(scene, third, 'a'))).toBeLessThan(200);
  });

  it('keeps nothing for longer than half of the time for which it has waited once it hangs', async () => {
    const { scene, simulation, waiter, third } = await sceneOfThree();
    await simulation.advance(1_000);
    waiter.machine.pause(600_000);
    expect(await simulation.until(wait(scene, third, 'a'))).toBeLessThan(600);
  });

  it('keeps nothing once it has given up', async () => {
    const s = new Scene();
    const [holder, fickle, third] = await s.programs(3);
    await s.simulation.until(holder.redlock.acquire('b'));
    const controller = new AbortController();
    const gone = fickle.redlock.acquire(['a', 'b'], { ...PATIENT, signal: controller.signal });
    const failure = gone.catch((error: unknown) => error);
    await s.simulation.advance(20);
    controller.abort('enough');
    expect(await failure).toBe('enough');
    expect(await s.simulation.until(wait(s, third, 'a'))).toBeLessThan(5);
  });

  it('takes what is kept for a younger one', async () => {
    const s = new Scene();
    const [holder, older, younger] = await s.programs(3);
    const { simulation } = s;
    const [a, b, c] = await simulation.until(
      Promise.all(['a', 'b', 'c'].map((resource) => holder.redlock.acquire(resource))),
    );
    const first = older.redlock.acquire(['a', 'b'], PATIENT);
    await simulation.advance(20);
    const second = younger.redlock.acquire(['b', 'c'], PATIENT);
    await simulation.advance(20);
    // The younger one is before it in no queue, and has b only while the older one is busy with nothing but a.
    await simulation.until(b?.release() ?? Promise.reject());
    await simulation.advance(20);
    await simulation.until(c?.release() ?? Promise.reject());
    await simulation.advance(20);
    await simulation.until(a?.release() ?? Promise.reject());
    const lock = await simulation.until(first);
    await simulation.until(lock.release());
    expect((await simulation.until(second)).resources).toEqual(['b', 'c']);
  });
});
