import { describe, expect, it } from 'vitest';
import { claimAll, type Fresh } from '../../src/membership/claim.ts';
import type { Handshake } from '../../src/node/marker.ts';

/** Servers by their run ids, each with the marker it has now, and what was done to them in which order. */
function deployment(...runIds: readonly string[]) {
  const markers = new Map(runIds.map((runId) => [runId, '']));
  const steps: string[] = [];
  const handshake = (runId: string, written: boolean): Handshake => ({
    timeUs: 0,
    sentAtMs: 0,
    receivedAtMs: 0,
    runId,
    role: 'master',
    marker: markers.get(runId) ?? '',
    written,
    evicts: false,
    evictionPolicy: 'noeviction',
    version: '7.0.15',
  });
  const fresh: readonly Fresh<string>[] = runIds.map((runId) => ({
    member: runId,
    handshake: handshake(runId, false),
  }));
  /** Writes the claim unless another client has been there. */
  const write = async ({ member }: Fresh<string>) => {
    steps.push(`claim ${member}`);
    await Promise.resolve();
    steps.push(`claimed ${member}`);
    const isFree = markers.get(member) === '';
    if (isFree) markers.set(member, `ours on ${member}`);
    return handshake(member, isFree);
  };
  const handshakeAgain = async (member: string) => {
    steps.push(`handshake ${member}`);
    return handshake(member, false);
  };
  return { markers, steps, fresh, write, handshakeAgain };
}

describe('a claim on a new deployment', () => {
  it('is on the node with the lowest run id first, then on the others, then looked at on all', async () => {
    const { steps, fresh, write, handshakeAgain } = deployment('b', 'a', 'c');
    await claimAll(fresh, write, handshakeAgain);
    expect(steps.slice(0, 2)).toEqual(['claim a', 'claimed a']);
    expect(steps.slice(2, 6).toSorted()).toEqual(['claim b', 'claim c', 'claimed b', 'claimed c']);
    expect(steps.slice(6).toSorted()).toEqual(['handshake a', 'handshake b', 'handshake c']);
  });

  it('that holds everywhere returns the nodes as they were seen with it', async () => {
    const { fresh, write, handshakeAgain } = deployment('b', 'a', 'c');
    const seen = await claimAll(fresh, write, handshakeAgain);
    expect(seen?.map(({ member, handshake }) => [member, handshake.marker])).toEqual([
      ['a', 'ours on a'],
      ['b', 'ours on b'],
      ['c', 'ours on c'],
    ]);
  });

  it('that a far node refused for its lateness alone is made once more there, of the newest look', async () => {
    const { steps, fresh, write, handshakeAgain } = deployment('a', 'b');
    const slow: typeof write = async (one) => {
      const isLate = one.member === 'b' && !steps.includes('late b');
      if (!isLate) return write(one);
      steps.push('late b');
      return handshakeAgain('b');
    };
    expect(await claimAll(fresh, slow, handshakeAgain)).toHaveLength(2);
    const far = deployment('a', 'b');
    expect(await claimAll(far.fresh, ({ member }) => far.handshakeAgain(member), far.handshakeAgain)).toBe(
      undefined,
    );
    expect(far.steps).toEqual(['handshake a', 'handshake a']);
  });

  it('that came too late on the first node is made on no other', async () => {
    const { markers, steps, fresh, write, handshakeAgain } = deployment('b', 'a', 'c');
    markers.set('a', 'theirs');
    expect(await claimAll(fresh, write, handshakeAgain)).toBeUndefined();
    expect(steps).toEqual(['claim a', 'claimed a']);
  });

  it.each(['b', 'c'])('that came too late on %s is none', async (late) => {
    const { markers, steps, fresh, write, handshakeAgain } = deployment('b', 'a', 'c');
    markers.set(late, 'theirs');
    expect(await claimAll(fresh, write, handshakeAgain)).toBeUndefined();
    expect(steps.filter((step) => step.startsWith('handshake'))).toEqual([]);
  });

  it.each(['a', 'b', 'c'])('that is gone from %s at the second handshake is none', async (emptied) => {
    const { fresh, markers, write, handshakeAgain } = deployment('b', 'a', 'c');
    const seen = await claimAll(fresh, write, async (member) => {
      if (member === emptied) markers.set(member, '');
      return handshakeAgain(member);
    });
    expect(seen).toBeUndefined();
  });

  it('on no nodes is done at once', async () => {
    const { fresh, write, handshakeAgain } = deployment();
    expect(await claimAll(fresh, write, handshakeAgain)).toEqual([]);
  });

  it('fails as a look at a node fails', async () => {
    const { fresh, write } = deployment('b', 'a');
    const failure = new Error('it is down');
    await expect(claimAll(fresh, write, () => Promise.reject(failure))).rejects.toBe(failure);
  });
});
