import { describe, expect, it } from 'vitest';
import { Fleet, type FleetNode } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { TcpProxy } from '../../../scripts/fleet/proxy.ts';
import { type NodeVote, type QuorlockError, Redlock } from '../../../src/index.ts';
import { BRISK, nodeAt, PATIENT } from '../../support/deployment.ts';

/** Short, so that a quarantine ends within a test. */
const BRIEF = { ...PATIENT, nodeTimeout: 500, ttl: 800, maxTtl: 1_000 };

async function votesOf(redlock: Redlock): Promise<readonly NodeVote[]> {
  try {
    const lock = await redlock.acquire('wanted', { waitTime: 0 });
    return (await lock.release()).votes;
  } catch (error) {
    return (error as QuorlockError).votes;
  }
}

/** Whether all nodes grant a lock. */
async function canLock(redlock: Redlock): Promise<boolean> {
  await using lock = await redlock.tryAcquire('wanted').catch(() => null);
  if (lock === null) return false;
  // What a node has done of the call before shows in its answer to the next one.
  const { nodes } = await redlock.inspect('wanted');
  return nodes.every(({ state }) => state === 'held');
}

async function becomeReplicaOf(node: FleetNode, master: FleetNode): Promise<void> {
  await node.command('REPLICAOF', '127.0.0.1', master.port);
}

describe('a master that is demoted behind a stable address', () => {
  it.each([['acquiring'], ['extending'], ['giving back']])('is left for its successor by %s', async (how) => {
    await using fleet = await Fleet.start(2);
    const [old, successor] = [nodeAt(fleet, 0), nodeAt(fleet, 1)];
    await using proxy = await TcpProxy.start(old.port);
    await using redlock = new Redlock([proxy.url], { ...PATIENT, quarantine: 'off' });
    expect(await canLock(redlock)).toBe(true);
    const lock = await redlock.acquire('held', { ttl: 30_000 });

    await becomeReplicaOf(old, successor);
    proxy.retarget(successor.port);
    if (how === 'extending') await lock.extend().catch(() => undefined);
    if (how === 'giving back') await lock.release();

    await eventually('locks are granted again', () => canLock(redlock));
    await using now = await redlock.acquire('found again', { ttl: 30_000 });
    expect(await successor.command('GET', 'lock:found again')).toBe(now.value);
  });

  it('is left for its successor when it was a replica at the first look', async () => {
    await using fleet = await Fleet.start(2);
    const [old, successor] = [nodeAt(fleet, 0), nodeAt(fleet, 1)];
    await becomeReplicaOf(old, successor);
    await using proxy = await TcpProxy.start(old.port);
    await using redlock = new Redlock([proxy.url], { ...BRISK, quarantine: 'off' });
    const [vote] = await votesOf(redlock);
    expect(vote).toMatchObject({ outcome: 'failed', reason: 'refused' });
    proxy.retarget(successor.port);
    await eventually('locks are had', () => canLock(redlock));
  });

  it('is one node of several: the others go on, and the successor votes after its quarantine', async () => {
    await using fleet = await Fleet.start(4);
    const [old, successor] = [nodeAt(fleet, 0), nodeAt(fleet, 3)];
    await using proxy = await TcpProxy.start(old.port);
    const urls = [proxy.url, ...fleet.urls.slice(1, 3)];
    await using redlock = new Redlock(urls, BRIEF);
    await eventually('all of them vote', () => canLock(redlock));

    await becomeReplicaOf(old, successor);
    proxy.retarget(successor.port);
    await (await redlock.acquire('meanwhile')).release();

    await eventually('the successor votes', () => canLock(redlock));
    expect(await successor.command('EXISTS', 'quorlock:node')).toBe(1);
  });

  it('does not answer at all, as it has lost its master and serves no stale data', async () => {
    await using fleet = await Fleet.start(2);
    const [old, successor] = [nodeAt(fleet, 0), nodeAt(fleet, 1)];
    await using proxy = await TcpProxy.start(old.port);
    await using redlock = new Redlock([proxy.url], { ...PATIENT, quarantine: 'off' });
    expect(await canLock(redlock)).toBe(true);
    await old.command('CONFIG', 'SET', 'replica-serve-stale-data', 'no');
    await old.command('REPLICAOF', '127.0.0.1', 1);
    proxy.retarget(successor.port);
    await eventually('locks are granted again', () => canLock(redlock));
  });
});

describe('an address that leads to a server which can not be a node', () => {
  it('is tried on new connections: it was the same server as another one', async () => {
    await using fleet = await Fleet.start(3);
    await using proxy = await TcpProxy.start(nodeAt(fleet, 1).port);
    await using redlock = new Redlock([proxy.url, ...fleet.urls.slice(1)], BRIEF);
    await (await redlock.acquire('wanted')).release();
    // Later on the one that votes connects anew too, and the other one may vote meanwhile.
    await eventually('one of them is refused', async () => {
      const { nodes } = await redlock.status();
      return nodes.some(({ state, why = '' }) => state === 'refused' && why.includes('the same server as'));
    });
    proxy.retarget(nodeAt(fleet, 0).port);
    await eventually('all of them vote', () => canLock(redlock));
  });

  it('is tried on new connections: it was one of another quorum', async () => {
    await using fleet = await Fleet.start(2);
    await using other = await Fleet.start(3);
    await using program = new Redlock(other.urls, PATIENT);
    await eventually('the other quorum votes', () => canLock(program));
    await using proxy = await TcpProxy.start(nodeAt(other, 0).port);
    await using redlock = new Redlock([proxy.url], BRISK);
    const [vote] = await votesOf(redlock);
    expect(vote).toMatchObject({ outcome: 'failed', reason: 'refused' });
    proxy.retarget(nodeAt(fleet, 0).port);
    await eventually('locks are had', () => canLock(redlock));
  });

  it('is tried on new connections: it was of a Redis Cluster', async () => {
    await using cluster = await Fleet.start(1, { cluster: true });
    await using fleet = await Fleet.start(1);
    await using proxy = await TcpProxy.start(nodeAt(cluster, 0).port);
    await using redlock = new Redlock([proxy.url], BRISK);
    expect(await canLock(redlock)).toBe(false);
    proxy.retarget(nodeAt(fleet, 0).port);
    await eventually('locks are had', () => canLock(redlock));
  });

  it('is tried on new connections: it wanted a password', async () => {
    await using fleet = await Fleet.start(1);
    const node = nodeAt(fleet, 0);
    await node.command('CONFIG', 'SET', 'requirepass', 'secret');
    await using redlock = new Redlock([node.url], { ...BRISK, connectTimeout: 500 });
    expect(await canLock(redlock)).toBe(false);
    await using admin = new Redlock([node.url.replace('redis://', 'redis://:secret@')], PATIENT);
    await eventually('it locks with it', () => canLock(admin));
  });
});
