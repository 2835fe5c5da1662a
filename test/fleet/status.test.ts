import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../scripts/fleet/processes.ts';
import { Redlock, type RedlockWarning, type Status } from '../../src/index.ts';
import { nodeAt, PATIENT, startDeployment, untilAllVote } from '../support/deployment.ts';
import { expectHeldOnAll } from '../support/lock-keys.ts';
import { report } from '../unit/docs/snippets/status.ts';

/** Quarantines last 4.6 s. */
const MAX_TTL = 2_500;

/** Ends it after the test. */
function kept<Kept extends AsyncDisposable>(one: Kept): Kept {
  onTestFinished(() => Promise.resolve(one[Symbol.asyncDispose]()));
  return one;
}

/** Three servers, and a program that has used them. */
async function start() {
  const fleet = kept(await startDeployment(3, { maxTtl: MAX_TTL }));
  const warnings: RedlockWarning[] = [];
  const redlock = kept(
    new Redlock(fleet.urls, {
      ...PATIENT,
      maxTtl: MAX_TTL,
      nodeTimeout: 2_000,
      connectTimeout: 2_000,
      owner: 'web-3:4711',
      onWarning: (warning) => warnings.push(warning),
    }),
  );
  await untilAllVote(redlock);
  const isSo = async (check: (status: Status) => boolean) => {
    let last: Status | undefined;
    await eventually('the status is so', async () => {
      last = await redlock.status();
      return check(last);
    }).catch((error: unknown) => {
      throw new Error(`${error}: ${JSON.stringify(last)}`);
    });
    return last?.nodes ?? [];
  };
  const toldOf = (index: number) =>
    warnings.flatMap(({ code, node, isOver }) =>
      node === `127.0.0.1:${nodeAt(fleet, index).port}`
        ? [`${code}${isOver === true ? ' is over' : ''}`]
        : [],
    );
  return { fleet, redlock, warnings, isSo, toldOf };
}

describe('with real servers, status()', () => {
  it('tells what they are, and ready() resolves', async () => {
    const { redlock } = await start();
    await redlock.ready();
    expect(await report(redlock)).toBe('1 more nodes may fail');
    const { owner, hasQuorum, survives, nodes } = await redlock.status();
    expect({ owner, hasQuorum, survives }).toEqual({ owner: 'web-3:4711', hasQuorum: true, survives: 1 });
    for (const node of nodes) {
      expect(node).toMatchObject({
        state: 'up',
        version: expect.stringMatching(/^(valkey )?\d+\.\d+\.\d+$/),
        runId: expect.stringMatching(/^[0-9a-f]{40}$/),
        role: 'master',
        evictionPolicy: 'noeviction',
        isMarkerActive: true,
      });
      expect(Math.abs(node.clockOffsetMs ?? Number.NaN)).toBeLessThan(1_000);
      expect(node.roundTripMs).toBeGreaterThan(0);
    }
  });

  it('follows a node that is killed, restarted and quarantined, and each is warned of once, with its end', async () => {
    const { fleet, redlock, isSo, toldOf, warnings } = await start();
    await nodeAt(fleet, 1).kill();
    await isSo(({ nodes, survives }) => nodes[1]?.state === 'down' && survives === 0);
    await eventually('it is warned of', () => toldOf(1).length > 0);
    expect(await report(redlock)).toMatch(/^0 more nodes may fail\n127\.0\.0\.1:\d+ is down: /);
    await nodeAt(fleet, 1).restart();
    const nodes = await isSo(
      (status) => status.nodes[1]?.state === 'quarantined' && status.nodes[1].until !== undefined,
    );
    expect(nodes[1]?.until).toBeGreaterThan(Date.now() - 1_000);
    expect(nodes[1]).toMatchObject({ isMarkerActive: false, why: expect.stringMatching(/votes again at/) });
    await isSo(({ survives }) => survives === 1);
    expect(toldOf(1)).toEqual([
      'QUORLOCK_NODE_DOWN',
      'QUORLOCK_NODE_DOWN is over',
      'QUORLOCK_NODE_QUARANTINED',
      'QUORLOCK_NODE_QUARANTINED is over',
    ]);
    expect(warnings).toHaveLength(4);
    await redlock.ready();
  });

  it('follows a node that hangs, which is warned of as slow, with its end', async () => {
    const { fleet, isSo, toldOf } = await start();
    nodeAt(fleet, 0).pause();
    await isSo(({ nodes }) => nodes[0]?.state === 'slow');
    await eventually('it is warned of', () => toldOf(0).length > 0);
    nodeAt(fleet, 0).resume();
    await isSo(({ nodes }) => nodes[0]?.state === 'up');
    expect(toldOf(0)).toEqual(['QUORLOCK_NODE_SLOW', 'QUORLOCK_NODE_SLOW is over']);
  });

  it('tells the reason of a server with a wrong password, and so does ready()', async () => {
    const fleet = kept(await startDeployment(3));
    const wrong = (url = '') => url.replace('redis://', 'redis://bob:s3cret@');
    const [first, second, third = ''] = fleet.urls;
    const redlock = kept(new Redlock([wrong(first), wrong(second), third], PATIENT));
    await eventually('two say why they do not vote, and the third one does', async () => {
      const { nodes } = await redlock.status();
      return nodes.filter(({ why }) => /WRONGPASS/.test(why ?? '')).length === 2 && nodes[2]?.state === 'up';
    });
    const error: unknown = await redlock.ready({ timeout: 1_000 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'QUORLOCK_NO_QUORUM' });
    expect((error as Error).message).toMatch(/^no quorum: 2 of 3 nodes did not vote.*WRONGPASS/);
    const { nodes, hasQuorum } = await redlock.status();
    expect(hasQuorum).toBe(false);
    expect(nodes.map(({ state }) => state)[2]).toBe('up');
  });
});

describe('with real servers, who holds and who waits', () => {
  it('is told by inspect(), waiting(), held() and the error of another program', async () => {
    const fleet = kept(await startDeployment(3));
    const [first, second] = ['web-3:4711', 'Zoë 🦊 .+1'].map((owner) =>
      kept(new Redlock(fleet.urls, { ...PATIENT, owner })),
    );
    if (first === undefined || second === undefined) throw new Error('too few');
    await Promise.all([untilAllVote(first), untilAllVote(second)]);
    const lock = await first.acquire('r', { ttl: 30_000 });
    // A node that has not got the lock yet would grant it to the waiter, who then waits at the others only.
    await expectHeldOnAll(fleet, lock);
    const refused: unknown = await second.acquire('r', { waitTime: 0 }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'QUORLOCK_HELD', holder: 'web-3:4711' });
    expect(await second.inspect('r')).toMatchObject({ state: 'held', owner: 'web-3:4711' });
    const waiting = second.acquire('r', { waitTime: 60_000 });
    await eventually('it waits', async () => {
      const { processes } = await first.waiting('r');
      return processes[0]?.owner === 'Zoë 🦊 .+1' && processes[0].nodes >= 2;
    });
    expect(first.held()).toMatchObject({ locks: [{ resources: ['r'], token: lock.token }], waiting: [] });
    expect(second.held()).toMatchObject({ locks: [], waiting: [{ resources: ['r'], waitTime: 60_000 }] });
    await lock.release();
    await (await waiting).release();
  });
});
