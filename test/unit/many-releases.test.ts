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
  await simulation.advance(2_000);
  expect(scene.keys).toEqual([]);
});
