import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis-5';
import { describe, expect, it } from 'vitest';
import { Fleet } from '../../scripts/fleet/fleet.ts';
import { Redlock } from '../../src/index.ts';
import { PATIENT, startDeployment, untilAllVote } from '../support/deployment.ts';

const SAFE = { enableOfflineQueue: false, autoResendUnfulfilledCommands: false };

describe('clients of ioredis 5', () => {
  it('lock, extend and release like those of ioredis 6', async () => {
    await using fleet = await startDeployment(3);
    const clients = fleet.urls.map((url) => new Redis5(url, SAFE));
    const warnings: string[] = [];
    const redlock = new Redlock(clients, { ...PATIENT, onWarning: ({ code }) => warnings.push(code) });
    try {
      await untilAllVote(redlock);
      const lock = await redlock.acquire(['a', 'b']);
      expect(await redlock.tryAcquire('b')).toBeNull();
      expect((await lock.extend()).remainingValidity()).toBeGreaterThan(0);
      expect((await lock.release()).freed).toBe(true);
      expect(warnings).toEqual([]);
    } finally {
      await redlock.close();
      for (const client of clients) client.disconnect();
    }
  });

  it('reach a Redis Cluster too', async () => {
    await using fleet = await Fleet.start(1, { cluster: true });
    const [url = ''] = fleet.urls;
    const { hostname: host, port } = new URL(url);
    const cluster = new Cluster5([{ host, port: Number(port) }], {
      redisOptions: SAFE,
      enableOfflineQueue: false,
    });
    const redlock = new Redlock([cluster], { ...PATIENT, quarantine: 'off' });
    try {
      const lock = await redlock.acquire(['{user:7}:cart', '{user:7}:orders']);
      expect((await lock.release()).freed).toBe(true);
    } finally {
      await redlock.close();
      cluster.disconnect();
    }
  });
});
