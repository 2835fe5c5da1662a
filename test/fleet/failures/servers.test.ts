import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Fleet } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { TcpProxy } from '../../../scripts/fleet/proxy.ts';
import { scriptCalls } from '../../../scripts/fleet/server-calls.ts';
import { type NoQuorumError, Redlock, type RedlockWarning } from '../../../src/index.ts';
import { BRISK, nodeAt, PATIENT, startDeployment, untilAllVote } from '../../support/deployment.ts';
import { LONG_TTL_MS } from '../../support/lock-keys.ts';

/** Why each node that gave no vote did not. */
async function obstacles(redlock: Redlock): Promise<readonly string[]> {
  const error = await redlock.acquire('wanted', { ttl: LONG_TTL_MS, waitTime: 0 }).then(
    async (lock) => lock.release(),
    (reason: NoQuorumError) => reason,
  );
  return error.votes.flatMap((vote) =>
    vote.outcome === 'failed' ? [`${vote.reason}: ${vote.message}`] : [],
  );
}

describe('one server in the list twice', () => {
  it.each<[string, (port: number) => Promise<{ readonly url: string }>]>([
    ['under another name', async (port) => ({ url: `redis://localhost:${port}` })],
    ['behind a proxy', (port) => TcpProxy.start(port)],
  ])('%s has one vote, and says which server it is', async (_, aliasOf) => {
    await using fleet = await Fleet.start(2);
    const alias = await aliasOf(nodeAt(fleet, 0).port);
    onTestFinished(async () => {
      if (alias instanceof TcpProxy) await alias.stop();
    });
    const [first = '', second = ''] = fleet.urls;
    await using redlock = new Redlock([first, alias.url, second], PATIENT);
    // On a busy machine a new deployment may serve a quarantine first.
    await using lock = await redlock.acquire('with the other server', {
      ttl: LONG_TTL_MS,
      waitTime: 120_000,
    });
    await nodeAt(fleet, 1).kill();

    const reasons = await obstacles(redlock);

    expect(reasons.filter((reason) => reason.startsWith('refused'))).toEqual([
      expect.stringMatching(/it is the same server as .* under another address. Give every master once/),
    ]);
    expect(reasons).toHaveLength(2);
    lock.assertHeld();
  });
});

describe('programs with lists of another length', () => {
  it('are refused by the nodes, until initialize() is called; then the others are', async () => {
    await using fleet = await Fleet.start(4);
    await using old = new Redlock(fleet.urls.slice(0, 3), PATIENT);
    await untilAllVote(old);
    await using changed = new Redlock(fleet.urls, PATIENT);
    for (const obstacle of (await obstacles(changed)).filter((each) => each.startsWith('refused'))) {
      expect(obstacle).toContain('it is one of a quorum of 3, and here are 4');
    }
    await expect(changed.tryAcquire('wanted')).rejects.toMatchObject({ code: 'QUORLOCK_NO_QUORUM' });

    await changed.initialize();

    await (await changed.acquire('wanted')).release();
    await expect(old.tryAcquire('wanted')).rejects.toMatchObject({ code: 'QUORLOCK_NO_QUORUM' });
  });
});

describe('clients with the offline queue and resending of ioredis', () => {
  it('are not asked to send anything: what was lost with a connection is not sent again', async () => {
    await using fleet = await startDeployment(3);
    const node = nodeAt(fleet, 0);
    await using proxy = await TcpProxy.start(node.port);
    const clients = [proxy.url, ...fleet.urls.slice(1)].map((url) => new Redis(url));
    onTestFinished(() => {
      for (const client of clients) client.disconnect();
    });
    for (const client of clients) client.on('error', () => undefined);
    const warnings: RedlockWarning[] = [];
    await using redlock = new Redlock(clients, {
      ...BRISK,
      onWarning: (warning) => warnings.push(warning),
    });
    await untilAllVote(redlock);

    // The request is lost with the connection.
    proxy.cut('up');
    await using lock = await redlock.acquire('lost', { ttl: LONG_TTL_MS });
    proxy.resetAll();
    await proxy.heal();

    await eventually('the new connection is used', async () => {
      const before = await scriptCalls(node);
      await (await redlock.acquire('after')).release();
      return (await scriptCalls(node)) >= before + 2;
    });
    expect(await node.command('GET', 'lock:lost')).toBeNull();
    expect(warnings).toEqual([]);
    lock.assertHeld();
  });
});
