import { expect, it } from 'vitest';
import { Scene } from './waiting/scene.ts';

it('ten thousand locks that are released at once are all given back, long before they expire', async () => {
  const scene = new Scene();
  const [program] = await scene.programs(1);
  if (program === undefined) throw new Error('there is no program');
  const { redlock } = program;
  const { simulation } = scene;
  const locks = [];
  for (let first = 0; first < 10_000; first += 1_000) {
    const some = Array.from({ length: 1_000 }, (_, index) =>
      redlock.acquire(`r${first + index}`, { ttl: 30_000 }),
    );
    locks.push(...(await simulation.until(Promise.all(some))));
  }
  await simulation.until(Promise.all(locks.map((lock) => lock.release())));
  // What nodes are asked for once more in the background leaves room for what somebody waits for.
  const next = await simulation.until(redlock.tryAcquire('next'));
  await simulation.until(next?.release() ?? Promise.reject(new Error('it was not granted')));
  await simulation.advance(2_000);
  expect(scene.keys).toEqual([]);
});

it('who waits is served also where too many operations were under way when it asked', async () => {
  const scene = new Scene();
  const [program] = await scene.programs(1);
  if (program === undefined) throw new Error('there is no program');
  const { redlock } = program;
  const locks = Array.from({ length: 5_000 }, (_, index) =>
    redlock.acquire(`r${index}`, { waitTime: 10_000 }),
  );
  const granted = await scene.simulation.until(Promise.all(locks));
  expect(granted.every((lock) => lock.remainingValidity() > 0)).toBe(true);
  await scene.simulation.until(redlock.close());
});
