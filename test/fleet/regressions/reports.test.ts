import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { LockHeldError, NoQuorumError, Redlock, WaitTimeoutError } from '../../../src/index.ts';
import { BRISK, PATIENT, startDeployment } from '../../support/deployment.ts';
import { expectHeldOnAll, LONG_TTL_MS } from '../../support/lock-keys.ts';

describe('19. contention and failure are told apart', () => {
  it('contention is an outcome and no error event anywhere', async () => {
    await using fleet = await startDeployment(3);
    const clients = fleet.nodes.map(
      ({ port }) =>
        new Redis(port, '127.0.0.1', { enableOfflineQueue: false, autoResendUnfulfilledCommands: false }),
    );
    const emitted: unknown[] = [];
    for (const client of clients) client.on('error', (error) => emitted.push(error));
    const warnings: unknown[] = [];
    try {
      await using holder = new Redlock(fleet.urls, PATIENT);
      await using redlock = new Redlock(clients, {
        ...PATIENT,
        onWarning: (warning) => warnings.push(warning),
      });
      await using _lock = await holder.acquire('contended', { ttl: LONG_TTL_MS });

      expect(await redlock.tryAcquire('contended')).toBeNull();
      const refused = await redlock.acquire('contended', { waitTime: 0 }).catch((error: unknown) => error);
      const waited = await redlock.acquire('contended', { waitTime: 1_000 }).catch((error: unknown) => error);

      expect(refused).toBeInstanceOf(LockHeldError);
      expect(refused).toMatchObject({ code: 'QUORLOCK_HELD', resources: ['contended'] });
      expect(waited).toBeInstanceOf(WaitTimeoutError);
      expect(waited).toMatchObject({ code: 'QUORLOCK_WAIT_TIMEOUT', resources: ['contended'] });
      for (const error of [refused, waited]) {
        if (!(error instanceof LockHeldError || error instanceof WaitTimeoutError)) throw error;
        expect(error.holderRemainingTtl).toBeGreaterThan(0);
        expect(error.votes).toHaveLength(3);
        expect(error.votes.filter(({ outcome }) => outcome === 'held').length).toBeGreaterThanOrEqual(2);
      }
      expect(emitted).toEqual([]);
      expect(warnings).toEqual([]);
    } finally {
      for (const client of clients) client.disconnect();
    }
  });

  it('nodes that are down are, and the error says which and why', async () => {
    await using fleet = await startDeployment(3);
    await using holder = new Redlock(fleet.urls, BRISK);
    await using redlock = new Redlock(fleet.urls, BRISK);
    await using lock = await holder.acquire('contended', { ttl: LONG_TTL_MS });
    await expectHeldOnAll(fleet, lock);
    expect(await redlock.tryAcquire('contended')).toBeNull();
    await fleet.nodes[0]?.kill();
    fleet.nodes[1]?.pause();

    const failure = await redlock.acquire('contended', { waitTime: 3_000 }).catch((error: unknown) => error);

    if (!(failure instanceof NoQuorumError)) throw failure;
    expect(failure.code).toBe('QUORLOCK_NO_QUORUM');
    const byNode = new Map(failure.votes.map((vote) => [vote.node, vote]));
    const [killed, hung, well] = fleet.nodes.map(({ port }) => byNode.get(`127.0.0.1:${port}`));
    expect(killed).toMatchObject({ outcome: 'failed' });
    expect(hung).toMatchObject({ outcome: 'failed', reason: 'timeout' });
    expect(well).toMatchObject({ outcome: 'held' });
    for (const { port } of fleet.nodes) expect(failure.message).toContain(`127.0.0.1:${port}`);
  });
});

describe('20. an inspection of nodes that are down does not say free', () => {
  it('unknown is what too few answers come to, held and free what a majority says', async () => {
    await using fleet = await startDeployment(5);
    await using redlock = new Redlock(fleet.urls, BRISK);
    await using lock = await redlock.acquire('held', { ttl: LONG_TTL_MS });
    await expectHeldOnAll(fleet, lock);
    expect(await redlock.inspect('held')).toMatchObject({ state: 'held', value: lock.value });
    expect(await redlock.inspect('a free resource')).toMatchObject({ state: 'free', value: undefined });

    await fleet.nodes[0]?.kill();
    fleet.nodes[1]?.pause();
    expect(await redlock.inspect('held')).toMatchObject({ state: 'held', value: lock.value });
    expect(await redlock.inspect('a free resource')).toMatchObject({ state: 'free' });

    await fleet.nodes[2]?.kill();
    for (const resource of ['held', 'a free resource']) {
      const inspection = await redlock.inspect(resource);
      expect(inspection).toMatchObject({ state: 'unknown', value: undefined, remainingTtl: undefined });
      expect(inspection.nodes.slice(0, 3).map(({ state }) => state)).toEqual([
        'unknown',
        'unknown',
        'unknown',
      ]);
    }

    await Promise.all(fleet.nodes.map((node) => node.kill()));
    const inspection = await redlock.inspect('a free resource');
    expect(inspection.state).toBe('unknown');
    expect(inspection.nodes.map(({ state }) => state)).toEqual(Array(5).fill('unknown'));
  });
});
