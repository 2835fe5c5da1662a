import { describe, expect, it } from 'vitest';
import {
  isBeingStarted,
  isUndecided,
  type Member,
  newMember,
  noteClaim,
  noteOwnClaim,
} from '../../src/membership/member.ts';
import type { Handshake, Marker } from '../../src/node/marker.ts';
import { World } from './world.ts';

const RUN_ID = 'aa';
const CLAIM_MS = 2_000;

function seen(state?: Marker['state'], nonce = 'n', receivedAtMs = 0): Handshake {
  return {
    timeUs: 0,
    sentAtMs: 0,
    receivedAtMs,
    runId: RUN_ID,
    role: 'master',
    marker: state === undefined ? '' : `${state} ${RUN_ID} ${nonce} 3 30000`,
    written: false,
    evicts: false,
    evictionPolicy: 'noeviction',
    version: '7.0.15',
  };
}

/** A node that is connected and in quarantine. */
async function quarantined(): Promise<Member> {
  const [node] = await new World(1).nodes();
  if (node === undefined) throw new Error('there is no node');
  node.quarantine('it is new');
  return newMember(node);
}

describe('a node is undecided', () => {
  it.each([
    ['has no marker', undefined],
    ['is only claimed for a start', 'starting'],
  ] as const)('that %s and is nothing else yet', async (_, state) => {
    const member = await quarantined();
    member.handshake = seen(state);
    expect(isUndecided(member)).toBe(true);
  });

  it('no more when it remembers something', async () => {
    const member = await quarantined();
    member.handshake = seen('active');
    expect(isUndecided(member)).toBe(false);
  });

  it('only once it was looked at', async () => {
    expect(isUndecided(await quarantined())).toBe(false);
  });

  it('no more when its quarantine has begun', async () => {
    const member = await quarantined();
    member.handshake = seen();
    member.joining = { nonce: 'n', sinceMs: 0, isOurs: true };
    expect(isUndecided(member)).toBe(false);
  });

  it.each(['admit', 'refuse'] as const)('no more after %s()', async (decide) => {
    const member = await quarantined();
    member.handshake = seen();
    member.node[decide]('it is a replica');
    expect(isUndecided(member)).toBe(false);
  });
});

describe('a claim of another client on a node', () => {
  it('keeps us from starting it for two seconds from when it was first seen, and no longer', async () => {
    const member = await quarantined();
    noteClaim(member, seen('starting', 'theirs', 500));
    noteClaim(member, seen('starting', 'theirs', 1_500));
    expect(isBeingStarted(member, 500 + CLAIM_MS - 1)).toBe(true);
    expect(isBeingStarted(member, 500 + CLAIM_MS)).toBe(false);
  });

  it('begins its time anew when it is another one', async () => {
    const member = await quarantined();
    noteClaim(member, seen('starting', 'theirs', 500));
    noteClaim(member, seen('starting', 'another', 1_500));
    expect(isBeingStarted(member, 1_500 + CLAIM_MS - 1)).toBe(true);
  });

  it.each([undefined, 'joining', 'active'] as const)('is over when the marker is %s', async (state) => {
    const member = await quarantined();
    noteClaim(member, seen('starting', 'theirs', 500));
    noteClaim(member, seen(state, 'theirs', 600));
    expect(isBeingStarted(member, 700)).toBe(false);
  });

  it('is none if it was made for an earlier process of the server', async () => {
    const member = await quarantined();
    noteClaim(member, { ...seen('starting'), runId: 'bb' });
    expect(isBeingStarted(member, 1)).toBe(false);
  });
});

describe('a claim of our own', () => {
  it('does not keep us from starting the node, also when it is seen again', async () => {
    const member = await quarantined();
    noteOwnClaim(member, seen('starting', 'ours', 500));
    noteClaim(member, seen('starting', 'ours', 600));
    expect(isBeingStarted(member, 700)).toBe(false);
  });
});

describe('a node that was not looked at yet', () => {
  it('is not being started by any client', async () => {
    expect(isBeingStarted(await quarantined(), 0)).toBe(false);
  });
});
