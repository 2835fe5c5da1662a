import { it } from 'vitest';
import { Scene } from './scene.ts';
it('x', async () => {
    const scene = await Scene.open(3, { quarantine: 'strict', maxTtl: 10_000 });
    const { world } = scene;
    const long = world.machine();
    long.clients[2]?.cut('requests');
    const redlock = world.redlock({ quarantine: 'strict', maxTtl: 60_000 }, long);
    const lock = await world.clock.runUntil(redlock.acquire('r', { ttl: 60_000 }));
    world.server(0).flushAll();
    for (let seconds = 0; lock.remainingValidity() > 1_000; seconds += 1) {
      await world.clock.advance(1_000);
      const got = await world.clock.runUntil(scene.other.tryAcquire('r', { ttl: 10_000 }));
      if (seconds < 16) console.log(seconds, got?.value, world.servers.map((s) => s.store.get('quorlock:node')), world.valuesOf('lock:r'));
    }
});
