import { expect } from 'vitest';
import { fenceKeyOf, slotKeyOf } from '../../../src/quorum/fencing-token.ts';
import type { LockKeys, Operation } from '../../../src/wire/operation.ts';
import {
  acquire,
  adopt,
  BEHIND,
  BLOCK,
  CLAMP_US,
  confirm,
  contend,
  extend,
  FAILED,
  FOREIGN,
  GRANTED,
  HELD,
  LATE,
  MARKER_KEY,
  MISSING,
  ONE,
  OTHER,
  QUARANTINED,
  type RuleNode,
  release,
  SEVERAL,
  SHARED,
  SLOT,
  SUPERSEDED,
  unfenced,
} from './node.ts';

/*
 * What the protocol says of one node, rule by rule, with what the node has to answer written out. Where a rule is
 * taken out of the scripts and of their models alike, the two go on to agree; these do not.
 */

export interface Rule {
  readonly name: string;
  readonly holds: (node: RuleNode) => Promise<void>;
}

/** How keys are taken: each has a way of its own through the scripts. */
const WAYS: readonly (readonly [string, LockKeys, typeof acquire])[] = [
  ['ACQUIRE', ONE, acquire],
  ['ACQUIRE of several keys', SEVERAL, acquire],
  ['CONTEND', ONE, contend],
  ['CONTEND for several keys', SEVERAL, contend],
  ['SHARE', SHARED, acquire],
  ['PERMIT', SLOT, acquire],
];

/** What is shared has no owner of its own. */
const ALONE = WAYS.filter(([name]) => name !== 'SHARE');

const rule = (name: string, holds: Rule['holds']): Rule => ({ name, holds });

const HOUR_US = 3_600_000_000;

/** No counter is as high: near it, a double does not hold each number any more. */
const COUNTER_LIMIT = 9_007_199_254_740_000;

const acquiring: readonly Rule[] = WAYS.flatMap(([way, keys, take]) => [
  rule(`${way} answers the proposal as the counter`, async (node) => {
    const { timeUs } = node;
    expect(await node.askOne(take(keys, 'v', timeUs + 17))).toEqual([GRANTED, timeUs + 17]);
    for (const fence of keys.fences) expect(await node.get(fence)).toBe(String(timeUs + 17));
    for (const key of keys.keys) expect(await node.left(key)).toBe(10_000);
  }),
  ...[HOUR_US, 0, -1, 1 - BLOCK].map((ahead) =>
    rule(`${way} raises a counter that is ${ahead} above the proposal by a block`, async (node) => {
      const { timeUs } = node;
      const before = timeUs + ahead;
      for (const fence of keys.fences) await node.set(fence, before);
      expect(await node.askOne(take(keys, 'v', timeUs))).toEqual([GRANTED, before + BLOCK]);
      for (const fence of keys.fences) expect(await node.get(fence)).toBe(String(before + BLOCK));
    }),
  ),
  rule(`${way} takes a counter that has no room for a block for one that is lost`, async (node) => {
    const { timeUs } = node;
    for (const fence of keys.fences) await node.set(fence, COUNTER_LIMIT - BLOCK);
    expect(await node.askOne(take(keys, 'v', timeUs))).toEqual([GRANTED, timeUs]);
    for (const fence of keys.fences) expect(await node.get(fence)).toBe(String(timeUs));
  }),
  rule(`${way} raises a counter to the last number that one may be`, async (node) => {
    for (const fence of keys.fences) await node.set(fence, COUNTER_LIMIT - BLOCK - 1);
    expect(await node.askOne(take(keys, 'v', node.timeUs))).toEqual([GRANTED, COUNTER_LIMIT - 1]);
  }),
  rule(`${way} raises a counter that is a block below the proposal to that`, async (node) => {
    const { timeUs } = node;
    for (const fence of keys.fences) await node.set(fence, timeUs - BLOCK);
    expect(await node.askOne(take(keys, 'v', timeUs))).toEqual([GRANTED, timeUs]);
    for (const fence of keys.fences) expect(await node.get(fence)).toBe(String(timeUs));
  }),
  rule(`${way} takes no proposal that is more than β ahead of the node's TIME`, async (node) => {
    const { timeUs } = node;
    expect(await node.askOne(take(keys, 'v', timeUs + HOUR_US))).toEqual([GRANTED, timeUs + CLAMP_US]);
    for (const fence of keys.fences) expect(await node.get(fence)).toBe(String(timeUs + CLAMP_US));
  }),
  rule(`${way} takes a proposal that is β ahead as it is`, async (node) => {
    const { timeUs } = node;
    expect(await node.askOne(take(keys, 'v', timeUs + CLAMP_US))).toEqual([GRANTED, timeUs + CLAMP_US]);
  }),
  rule(`${way} takes no proposal that is more than β behind the node's TIME`, async (node) => {
    const { timeUs } = node;
    expect(await node.askOne(take(keys, 'v', timeUs - HOUR_US))).toEqual([GRANTED, timeUs - CLAMP_US]);
    for (const fence of keys.fences) expect(await node.get(fence)).toBe(String(timeUs - CLAMP_US));
  }),
  rule(`${way}, asked twice, answers the same and leaves the expiry alone`, async (node) => {
    const { timeUs } = node;
    await node.askOne(take(keys, 'v', timeUs));
    await node.pass(1_000);
    expect(await node.askOne(take(keys, 'v', timeUs))).toEqual([GRANTED, timeUs]);
    for (const key of keys.keys) expect(await node.left(key)).toBe(9_000);
  }),
  rule(`${way} is too late after its deadline, and touches nothing`, async (node) => {
    const reply = await node.askOne(take(keys, 'v', node.timeUs), { deadlineUs: -1 });
    expect(reply).toEqual([LATE]);
    for (const key of [...keys.keys, ...keys.fences]) expect(await node.get(key)).toBeNull();
  }),
  rule(`${way} is in time at its deadline`, async (node) => {
    const reply = await node.askOne(take(keys, 'v', node.timeUs), { deadlineUs: 0 });
    expect(reply).toEqual([GRANTED, node.timeUs]);
  }),
  rule(`${way} is refused where another has a key, and takes none`, async (node) => {
    const last = keys.keys.at(-1) ?? '';
    await node.set(last, 'other', 5_000);
    expect((await node.askOne(take(keys, 'v', node.timeUs))).slice(0, 2)).toEqual([HELD, 5_000]);
    expect(await node.get(last)).toBe('other');
    expect(await node.left(last)).toBe(5_000);
    // A waiter keeps the others.
    const kept = take === contend ? '~p.1:1' : null;
    for (const key of keys.keys.slice(0, -1)) expect(await node.get(key)).toBe(kept);
    for (const fence of keys.fences) expect(await node.get(fence)).toBeNull();
  }),
  rule(`${way} is refused where a key is kept for another waiter`, async (node) => {
    await node.set(keys.keys.at(-1) ?? '', '~p.2', 100);
    expect((await node.askOne(take(keys, 'v', node.timeUs))).slice(0, 2)).toEqual([HELD, 100]);
    expect(await node.get(keys.keys.at(-1) ?? '')).toBe('~p.2');
  }),
  rule(`${way} is refused where a key is no lock`, async (node) => {
    const [key = ''] = keys.keys;
    await node.setForEver(key);
    expect((await node.askOne(take(keys, 'v', node.timeUs)))[0]).toBe(FOREIGN);
    expect(await node.get(key)).toBe('for ever');
  }),
  rule(`${way} leaves no key behind where a counter can't be raised`, async (node) => {
    const reply = await node.askOne(take(keys, 'v', node.timeUs), { retention: 0 });
    expect(reply[0]).toBe(FAILED);
    for (const key of keys.keys) expect(await node.left(key)).toBe(-2);
  }),
  rule(`${way} takes what is no counter for one that is lost`, async (node) => {
    const { timeUs } = node;
    await node.setList(keys.fences.at(-1) ?? '');
    expect(await node.askOne(take(keys, 'v', timeUs + 17))).toEqual([GRANTED, timeUs + 17]);
    for (const fence of keys.fences) expect(await node.get(fence)).toBe(String(timeUs + 17));
  }),
  rule(`${way} never shortens the life of a counter`, async (node) => {
    for (const fence of keys.fences) await node.set(fence, 7, 3_600_000);
    await node.askOne(take(keys, 'v', node.timeUs), { retention: 3_000 });
    for (const fence of keys.fences) expect(await node.left(fence)).toBe(3_600_000);
  }),
]);

const several: readonly Rule[] = [
  ...[0, 1].map((highest) =>
    rule(`one number is above the counters of all keys, number ${highest} the highest`, async (node) => {
      const { timeUs } = node;
      for (const [at, fence] of SEVERAL.fences.entries())
        await node.set(fence, timeUs + (at === highest ? 2 : 1) * HOUR_US);
      const token = timeUs + 2 * HOUR_US + BLOCK;
      expect(await node.askOne(acquire(SEVERAL, 'v', timeUs))).toEqual([GRANTED, token]);
      await node.expectHeld(SEVERAL, 'v', token);
    }),
  ),
  rule('a refusal names the owner in the value of a key that is held, if there is one', async (node) => {
    const holders = {
      'V_-1@web-3:4711.1k': 'web-3:4711',
      'V@a.+b@c/5.1': 'a.+b@c/5',
      'V@Zoë.1': 'Zoë',
      'V@.1': '',
      'V web@h.1': '',
      '~V@web-3:4711.1:5': '',
      other: '',
    };
    for (const [value, holder] of Object.entries(holders)) {
      await node.set('lock:a', value, 5_000);
      for (const keys of [ONE, SEVERAL]) {
        const reply = await node.askOne(acquire(keys, 'v', node.timeUs));
        expect(reply, value).toEqual([HELD, 5_000, holder]);
      }
    }
  }),
  rule('of several keys the one that is held longest says for how long', async (node) => {
    await node.set('lock:a', 'other', 5_000);
    await node.set('lock:b', 'other', 3_000);
    expect(await node.askOne(acquire(SEVERAL, 'v', node.timeUs))).toEqual([HELD, 5_000, '']);
  }),
];

/** Markers that do not let a node vote, and one that does. */
function markersOf(runId: string): Readonly<Record<string, string | undefined>> {
  return {
    none: undefined,
    'a joining one': `joining ${runId} nonce 3 30000`,
    'a starting one': `starting ${runId} nonce 3 30000`,
    'one of another process': `active ${'0123456789'.repeat(4)} nonce 3 30000`,
    'one of another number of nodes': `active ${runId} nonce 5 30000`,
    'one of shorter ttls': `active ${runId} nonce 3 29999`,
    'one that is none': `active ${runId}`,
  };
}

const MARKED = { nodeCount: 3, maxTtl: 30_000 } as const;

/** What a marker has a say in. */
const VOTES: readonly (readonly [string, LockKeys, Operation])[] = [
  ...WAYS.map(([way, keys, take]) => [way, keys, take(keys, 'v', 1)] as const),
  ['CONFIRM', ONE, confirm(ONE, 'v', 1)],
  ['CONFIRM-SHARE', SHARED, confirm(SHARED, 'v', 1)],
  ['EXTEND', ONE, extend(ONE, 'v', 1)],
  ['EXTEND-SHARE', SHARED, extend(SHARED, 'v', 1)],
];

const marking: readonly Rule[] = [
  ...VOTES.map(([name, keys, operation]) =>
    rule(`${name} is refused without a marker of the running process`, async (node) => {
      for (const [which, marker] of Object.entries(markersOf(node.runId))) {
        if (marker !== undefined) await node.set(MARKER_KEY, marker);
        expect(await node.askOne(operation, MARKED), which).toEqual([QUARANTINED]);
        for (const key of [...keys.keys, ...keys.fences]) expect(await node.get(key), which).toBeNull();
      }
    }),
  ),
  ...WAYS.map(([way, keys, take]) =>
    rule(`${way} is granted with one`, async (node) => {
      for (const maxTtl of [30_000, 60_000]) {
        await node.set(MARKER_KEY, `active ${node.runId} nonce 3 ${maxTtl}`);
        expect(await node.askOne(take(keys, 'v', node.timeUs), MARKED)).toEqual([GRANTED, node.timeUs]);
      }
    }),
  ),
  rule('RELEASE needs no marker and no deadline', async (node) => {
    for (const keys of [ONE, SEVERAL, SLOT]) {
      await node.askOne(acquire(keys, 'v', node.timeUs));
      const operations = [release(keys, 'v'), acquire(keys, 'w', node.timeUs)];
      const replies = await node.ask(operations, { ...MARKED, deadlineUs: -1 });
      expect(replies).toEqual([expect.toBeOneOf([1, 2]), [LATE]]);
      for (const key of keys.keys) expect(await node.get(key)).toBeNull();
    }
  }),
  rule('a marker is written where the process and the marker are those that were seen', async (node) => {
    expect(await node.mark('first')).toBe(true);
    expect(await node.mark('second', { marker: 'first' })).toBe(true);
    expect(await node.get(MARKER_KEY)).toBe('second');
  }),
  rule('a marker is not written where any of it has changed, or too late', async (node) => {
    await node.mark('first');
    expect(await node.mark('second', { marker: '' })).toBe(false);
    expect(await node.mark('second', { marker: 'another' })).toBe(false);
    expect(await node.mark('second', { marker: 'first', runId: '0'.repeat(40) })).toBe(false);
    expect(await node.mark('second', { marker: 'first', deadlineUs: -1 })).toBe(false);
    expect(await node.get(MARKER_KEY)).toBe('first');
    expect(await node.mark('second', { marker: 'first', deadlineUs: 0 })).toBe(true);
  }),
];

const inspecting: readonly Rule[] = [
  ...[ONE, unfenced(ONE), SLOT].map((keys) =>
    rule(
      `INSPECT of a free ${keys === SLOT ? 'permit' : 'key'} with ${keys.fences.length} counters says so where the node votes`,
      async (node) => {
        const inspect = { ...keys, kind: 'inspect' } as const;
        expect(await node.askOne(inspect, MARKED)).toEqual([QUARANTINED]);
        await node.set(MARKER_KEY, `active ${node.runId} nonce 3 30000`);
        expect(await node.askOne(inspect, MARKED)).toEqual([MISSING, 0]);
      },
    ),
  ),
  rule('INSPECT says who has a key, and its counter, though the node does not vote', async (node) => {
    const token = node.timeUs;
    await node.askOne(acquire(ONE, 'v', token));
    expect(await node.askOne({ ...ONE, kind: 'inspect' }, MARKED)).toEqual([HELD, 10_000, 'v', token]);
    await node.askOne(release(ONE, 'v'));
    expect(await node.askOne({ ...ONE, kind: 'inspect' })).toEqual([MISSING, token]);
  }),
];

const confirming: readonly Rule[] = [ONE, SEVERAL].flatMap((keys) => {
  const which = `CONFIRM of ${keys.keys.length}`;
  const last = keys.keys.at(-1) ?? '';
  const lastFence = keys.fences.at(-1) ?? '';
  return [
    rule(`${which} raises the counter of a key that the value owns`, async (node) => {
      const token = node.timeUs + HOUR_US;
      await node.askOne(acquire(keys, 'v', node.timeUs));
      expect(await node.askOne(confirm(keys, 'v', token))).toEqual([GRANTED, token]);
      await node.expectHeld(keys, 'v', token);
      expect(await node.askOne(confirm(keys, 'v', token))).toEqual([GRANTED, token]);
    }),
    rule(`${which} is refused where the key is gone, and touches nothing`, async (node) => {
      await node.askOne(acquire(keys, 'v', node.timeUs));
      await node.delete(last);
      expect(await node.askOne(confirm(keys, 'v', node.timeUs + 9))).toEqual([MISSING]);
      expect(await node.get(last)).toBeNull();
      expect(await node.get(lastFence)).toBe(String(node.timeUs));
    }),
    rule(`${which} is refused where another has the key, and touches nothing`, async (node) => {
      await node.askOne(acquire(keys, 'v', node.timeUs));
      await node.set(last, 'other', 5_000);
      expect(await node.askOne(confirm(keys, 'v', node.timeUs + 9))).toEqual([HELD, 5_000, '']);
      expect(await node.get(lastFence)).toBe(String(node.timeUs));
    }),
    rule(`${which} is refused where the counter is higher, and touches nothing`, async (node) => {
      await node.askOne(acquire(keys, 'v', node.timeUs));
      await node.set(lastFence, node.timeUs + 10);
      expect(await node.askOne(confirm(keys, 'v', node.timeUs + 9))).toEqual([SUPERSEDED, node.timeUs + 10]);
      expect(await node.get(lastFence)).toBe(String(node.timeUs + 10));
    }),
    rule(`${which} never shortens the life of a counter`, async (node) => {
      await node.askOne(acquire(keys, 'v', node.timeUs));
      await node.askOne(confirm(keys, 'v', node.timeUs + 9), { retention: 3_000 });
      for (const fence of keys.fences) expect(await node.left(fence)).toBe(3_600_000);
    }),
  ];
});

const extending: readonly Rule[] = [ONE, SEVERAL, SLOT].flatMap((keys) => {
  const which = `EXTEND of ${keys === SLOT ? 'a permit' : keys.keys.length}`;
  const last = keys.keys.at(-1) ?? '';
  const lastFence = keys.fences.at(-1) ?? '';
  const held = (node: RuleNode) => node.askOne(acquire(keys, 'v', node.timeUs));
  return [
    rule(`${which} lets the keys live from now on, and never shorter`, async (node) => {
      const token = node.timeUs;
      await held(node);
      await node.pass(1_000);
      expect(await node.askOne(extend(keys, 'v', token))).toEqual([GRANTED, token]);
      for (const key of keys.keys) expect(await node.left(key)).toBe(10_000);
      await node.askOne(extend(keys, 'v', token, 5_000));
      for (const key of keys.keys) expect(await node.left(key)).toBe(10_000);
    }),
    rule(`${which} raises a lower counter to the token, and keeps it`, async (node) => {
      const token = node.timeUs;
      await held(node);
      await node.set(lastFence, token - 5, 3_600_000);
      await node.askOne(extend(keys, 'v', token), { retention: 3_000 });
      expect(await node.get(lastFence)).toBe(String(token));
      expect(await node.left(lastFence)).toBe(3_600_000);
    }),
    rule(`${which} takes a key again that is gone, where no counter is higher`, async (node) => {
      const token = node.timeUs;
      await held(node);
      await node.delete(last);
      expect(await node.askOne(extend(keys, 'v', token))).toEqual([GRANTED, token]);
      await node.expectHeld(keys, 'v', token);
      expect(await node.left(last)).toBe(10_000);
    }),
    ...[true, false].map((isGone) =>
      rule(`${which} is refused where a counter is higher, the key gone: ${isGone}`, async (node) => {
        const token = node.timeUs;
        await held(node);
        if (isGone) await node.delete(last);
        await node.set(lastFence, token + 1);
        await node.pass(1_000);
        expect(await node.askOne(extend(keys, 'v', token))).toEqual([SUPERSEDED, token + 1]);
        expect(await node.get(last)).toBe(isGone ? null : 'v');
        for (const key of keys.keys.slice(0, -1)) expect(await node.left(key)).toBe(9_000);
      }),
    ),
    rule(`${which} is refused where another has a key, and touches nothing`, async (node) => {
      const token = node.timeUs;
      await held(node);
      await node.set(last, 'other', 5_000);
      await node.pass(1_000);
      expect(await node.askOne(extend(keys, 'v', token))).toEqual([HELD, 4_000, '']);
      expect(await node.get(last)).toBe('other');
      for (const key of keys.keys.slice(0, -1)) expect(await node.left(key)).toBe(9_000);
    }),
    rule(`${which} without fencing takes no key again`, async (node) => {
      const plain = unfenced(keys);
      await node.askOne(acquire(plain, 'v', 0));
      expect(await node.askOne(extend(plain, 'v', 0))).toEqual([GRANTED, 0]);
      await node.delete(last);
      expect(await node.askOne(extend(plain, 'v', 0))).toEqual([MISSING]);
      expect(await node.get(last)).toBeNull();
    }),
    rule(`${which} is too late after its deadline, and touches nothing`, async (node) => {
      const token = node.timeUs;
      await held(node);
      await node.pass(1_000);
      expect(await node.askOne(extend(keys, 'v', token), { deadlineUs: -1 })).toEqual([LATE]);
      for (const key of keys.keys) expect(await node.left(key)).toBe(9_000);
    }),
  ];
});

const adopting: readonly Rule[] = [ONE, SEVERAL, SLOT].flatMap((keys) => {
  const which = `ADOPT of ${keys === SLOT ? 'a permit' : keys.keys.length}`;
  const last = keys.keys.at(-1) ?? '';
  const given = (node: RuleNode) => node.askOne(acquire(keys, 'v', node.timeUs));
  return [
    rule(`${which} gives the keys another value, asked twice as well, and never shortens`, async (node) => {
      const token = node.timeUs + 1;
      await given(node);
      for (const ttl of [5_000, 12_000, 12_000]) {
        expect(await node.askOne(adopt(keys, 'v', 'w', token, ttl))).toEqual([GRANTED, token]);
        await node.expectHeld(keys, 'w', token);
        for (const key of keys.keys) expect(await node.left(key)).toBe(Math.max(10_000, ttl));
      }
      expect(await node.askOne(adopt(keys, 'v', 'x', token))).toEqual([HELD, 12_000, '']);
      expect(await node.askOne(extend(keys, 'v', token - 1))).toEqual([HELD, 12_000, '']);
      await node.expectHeld(keys, 'w', token);
    }),
    ...[keys, unfenced(keys)].map((those) =>
      rule(`${which} takes no key that is gone, with ${those.fences.length} counters`, async (node) => {
        await given(node);
        await node.delete(last);
        expect(await node.askOne(adopt(those, 'v', 'w', node.timeUs + 1))).toEqual([MISSING]);
        expect(await node.get(last)).toBeNull();
        for (const key of keys.keys.slice(0, -1)) expect(await node.get(key)).toBe('v');
      }),
    ),
    rule(`${which} is refused where a counter is higher`, async (node) => {
      const token = node.timeUs;
      await given(node);
      await node.set(keys.fences.at(-1) ?? '', token + 2);
      expect(await node.askOne(adopt(keys, 'v', 'w', token + 1))).toEqual([SUPERSEDED, token + 2]);
      for (const key of keys.keys) expect(await node.get(key)).toBe('v');
    }),
  ];
});

/** Adopted shares, of locks with a token and without. */
const adoptingShares: readonly Rule[] = [SHARED, unfenced(SHARED)].flatMap((keys) => {
  const which = `ADOPT of a share with ${keys.fences.length} counters`;
  const sharers = SHARED.sharers ?? '';
  const taken = (node: RuleNode, value: string, ttl: number) =>
    node.askOne(acquire(keys, value, node.timeUs, ttl));
  const answer = (token: number) => [GRANTED, keys.fences.length === 0 ? 0 : token];
  return [
    rule(`${which} takes it away from the value that had it, asked twice as well`, async (node) => {
      const { timeUs, timeMs } = node;
      await taken(node, 'r1', 20_000);
      await taken(node, 'r2', 30_000);
      const token = timeUs + BLOCK + 1;
      for (const ttl of [5_000, 25_000, 25_000]) {
        expect(await node.askOne(adopt(keys, 'r1', 'r3', token, ttl))).toEqual(answer(token));
        const left = ['r3', String(timeMs + Math.max(20_000, ttl)), 'r2', String(timeMs + 30_000)];
        expect(await node.members(sharers)).toEqual(left);
      }
      expect(await node.askOne(adopt(keys, 'r1', 'r4', token))).toEqual([MISSING]);
      expect(await node.askOne(release(keys, 'r1'))).toEqual([MISSING]);
      await node.askOne(release(keys, 'r2'));
      expect(await node.get('lock:a')).toBe('&');
      expect((await node.askOne(release(keys, 'r3')))[0]).toBe(GRANTED);
      expect(await node.get('lock:a')).toBeNull();
    }),
    rule(`${which} takes none that is gone, or has expired`, async (node) => {
      await taken(node, 'r1', 1_000);
      await taken(node, 'r2', 20_000);
      await node.pass(1_001);
      const token = node.timeUs + BLOCK;
      expect(await node.askOne(adopt(keys, 'r1', 'r3', token))).toEqual([MISSING]);
      await node.askOne(release(keys, 'r2'));
      expect(await node.askOne(adopt(keys, 'r2', 'r3', token))).toEqual([MISSING]);
      expect(await node.get('lock:a')).toBeNull();
    }),
  ];
});

const releasing: readonly Rule[] = [ONE, SEVERAL, SLOT].flatMap((keys) => {
  const which = `RELEASE of ${keys === SLOT ? 'a permit' : keys.keys.length}`;
  return [
    rule(`${which} takes the keys away, and leaves the counters`, async (node) => {
      await node.askOne(acquire(keys, 'v', node.timeUs));
      expect((await node.askOne(release(keys, 'v')))[0]).toBe(GRANTED);
      for (const key of keys.keys) expect(await node.get(key)).toBeNull();
      for (const fence of keys.fences) expect(await node.get(fence)).toBe(String(node.timeUs));
      expect(await node.askOne(release(keys, 'v'))).toEqual([MISSING]);
    }),
    rule(`${which} leaves what another has`, async (node) => {
      await node.askOne(acquire(keys, 'other', node.timeUs));
      expect(await node.askOne(release(keys, 'v'))).toEqual([HELD, 10_000, '']);
      await node.expectHeld(keys, 'other', node.timeUs);
    }),
  ];
});

const sharing: readonly Rule[] = [
  rule('readers share a key, and none of them has it alone', async (node) => {
    const { timeUs } = node;
    expect(await node.askOne(acquire(SHARED, 'r1', timeUs))).toEqual([GRANTED, timeUs]);
    expect(await node.askOne(acquire(SHARED, 'r2', timeUs, 20_000))).toEqual([GRANTED, timeUs + BLOCK]);
    expect(await node.askOne(acquire(ONE, 'w', timeUs))).toEqual([HELD, 20_000, '&']);
    await node.askOne(release(SHARED, 'r2'));
    expect(await node.askOne(acquire(ONE, 'w', timeUs))).toEqual([HELD, 10_000, '&']);
    await node.askOne(release(SHARED, 'r1'));
    expect(await node.askOne(acquire(ONE, 'w', timeUs))).toEqual([GRANTED, timeUs + 2 * BLOCK]);
    expect(await node.askOne(acquire(SHARED, 'r3', timeUs))).toEqual([HELD, 10_000, '']);
  }),
  rule('a key lives as long as the last of its readers, and none of them shortens it', async (node) => {
    const { timeUs } = node;
    await node.askOne(acquire(SHARED, 'r1', timeUs, 20_000));
    await node.askOne(acquire(SHARED, 'r2', timeUs, 5_000));
    expect(await node.left('lock:a')).toBe(20_000);
    await node.askOne(extend(SHARED, 'r2', timeUs + BLOCK, 10_000));
    expect(await node.left('lock:a')).toBe(20_000);
    expect(await node.left(SHARED.sharers ?? '')).toBe(20_000);
    await node.askOne(extend(SHARED, 'r2', timeUs + BLOCK, 30_000));
    expect(await node.left('lock:a')).toBe(30_000);
  }),
  rule('a reader’s extension never shortens its share', async (node) => {
    const { timeUs } = node;
    await node.askOne(acquire(SHARED, 'r1', timeUs, 20_000));
    await node.askOne(acquire(SHARED, 'r2', timeUs, 30_000));
    await node.askOne(extend(SHARED, 'r2', timeUs + BLOCK, 1_000));
    await node.askOne(release(SHARED, 'r1'));
    expect(await node.left('lock:a')).toBe(30_000);
  }),
  rule(
    'each reader has its own expiry: past it there is nothing to confirm, nor to extend without a token',
    async (node) => {
      const { timeUs } = node;
      const plain = unfenced(SHARED);
      await node.askOne(acquire(plain, 'r1', 0, 1_000));
      await node.askOne(acquire(plain, 'r2', 0, 20_000));
      await node.pass(1_000);
      expect(await node.askOne(extend(plain, 'r1', 0, 500))).toEqual([GRANTED, 0]);
      await node.pass(501);
      expect(await node.askOne(confirm(SHARED, 'r1', timeUs))).toEqual([MISSING]);
      expect(await node.askOne(extend(plain, 'r1', 0))).toEqual([MISSING]);
      expect(await node.askOne(extend(plain, 'r2', 0))).toEqual([GRANTED, 0]);
    },
  ),
  rule('each reader has its own expiry: past it, it is a new reader, with a new token', async (node) => {
    const { timeUs } = node;
    await node.askOne(acquire(SHARED, 'r1', timeUs, 1_000));
    await node.askOne(acquire(SHARED, 'r2', timeUs, 20_000));
    await node.pass(1_001);
    expect(await node.askOne(extend(SHARED, 'r1', timeUs))).toEqual([SUPERSEDED, timeUs + BLOCK]);
    const later = node.timeUs;
    expect(await node.askOne(acquire(SHARED, 'r1', later, 30_000))).toEqual([GRANTED, later]);
    expect(await node.left('lock:a')).toBe(30_000);
  }),
  rule('readers whose shares have expired are forgotten when another one comes', async (node) => {
    const { timeUs } = node;
    await node.askOne(acquire(SHARED, 'r1', timeUs, 1_000));
    await node.askOne(acquire(SHARED, 'r2', timeUs, 20_000));
    await node.pass(1_001);
    await node.askOne(acquire(SHARED, 'r3', timeUs, 30_000));
    const expires = node.timeMs - 1_001;
    const expected = ['r2', String(expires + 20_000), 'r3', String(expires + 31_001)];
    expect(await node.members(SHARED.sharers ?? '')).toEqual(expected);
  }),
  rule('a share that is extended takes no heed of counters that other readers have raised', async (node) => {
    const { timeUs } = node;
    await node.askOne(acquire(SHARED, 'r1', timeUs));
    await node.askOne(acquire(SHARED, 'r2', timeUs));
    expect(await node.askOne(extend(SHARED, 'r1', timeUs))).toEqual([GRANTED, timeUs]);
    expect(await node.get(SHARED.fences[0] ?? '')).toBe(String(timeUs + BLOCK));
  }),
  rule(
    'a share that is gone is taken again where no counter is higher, and not where one is',
    async (node) => {
      const { timeUs } = node;
      await node.askOne(acquire(SHARED, 'r1', timeUs));
      await node.delete('lock:a');
      expect(await node.askOne(extend(SHARED, 'r1', timeUs))).toEqual([GRANTED, timeUs]);
      expect(await node.get('lock:a')).toBe('&');
      await node.delete('lock:a');
      await node.set(SHARED.fences[0] ?? '', timeUs + 1);
      expect(await node.askOne(extend(SHARED, 'r1', timeUs))).toEqual([SUPERSEDED, timeUs + 1]);
      expect(await node.get('lock:a')).toBeNull();
    },
  ),
  rule('shares from before a key was free are gone', async (node) => {
    const { timeUs } = node;
    await node.askOne(acquire(SHARED, 'r1', timeUs, 20_000));
    await node.delete('lock:a');
    await node.askOne(acquire(SHARED, 'r2', timeUs, 5_000));
    expect(await node.askOne(confirm(SHARED, 'r1', timeUs + 5))).toEqual([MISSING]);
  }),
  rule('CONFIRM of a share raises the counter, and never lowers it', async (node) => {
    const { timeUs } = node;
    const fence = SHARED.fences[0] ?? '';
    await node.askOne(acquire(SHARED, 'r1', timeUs));
    expect(await node.askOne(confirm(SHARED, 'r1', timeUs + 5))).toEqual([GRANTED, timeUs + 5]);
    expect(await node.get(fence)).toBe(String(timeUs + 5));
    await node.set(fence, timeUs + 9);
    expect(await node.askOne(confirm(SHARED, 'r1', timeUs + 7))).toEqual([GRANTED, timeUs + 7]);
    expect(await node.get(fence)).toBe(String(timeUs + 9));
  }),
  rule('CONFIRM of a share is refused to those that have none', async (node) => {
    const { timeUs } = node;
    expect(await node.askOne(confirm(SHARED, 'r1', timeUs))).toEqual([MISSING]);
    await node.askOne(acquire(SHARED, 'r2', timeUs));
    expect(await node.askOne(confirm(SHARED, 'r1', timeUs))).toEqual([MISSING]);
    await node.askOne(release(SHARED, 'r2'));
    await node.askOne(acquire(ONE, 'w', timeUs));
    expect(await node.askOne(confirm(SHARED, 'r2', timeUs + 9))).toEqual([HELD, 10_000, '']);
    expect(await node.askOne(extend(SHARED, 'r2', timeUs + 9))).toEqual([HELD, 10_000, '']);
    expect(await node.askOne(release(SHARED, 'r2'))).toEqual([HELD, 10_000, '']);
  }),
  rule('EXTEND of a share is too late after its deadline', async (node) => {
    await node.askOne(acquire(SHARED, 'r1', node.timeUs));
    const reply = await node.askOne(extend(SHARED, 'r1', node.timeUs, 20_000), { deadlineUs: -1 });
    expect(reply).toEqual([LATE]);
    expect(await node.left('lock:a')).toBe(10_000);
  }),
];

/** Another slot of the same semaphore. */
function slot(number: number, of = 3): LockKeys {
  const keys = [slotKeyOf('lock:s', number)];
  return { ...SLOT, keys, fences: keys.map(fenceKeyOf), permit: { slot: number, of } };
}

const permitting: readonly Rule[] = [
  rule('a refused PERMIT is told which slots are open, and a waiter how soon one may be', async (node) => {
    await node.askOne(acquire(SLOT, 'v', node.timeUs, 20_000));
    await node.askOne(acquire(slot(1), 'w', node.timeUs, 5_000));
    expect(await node.askOne(acquire(SLOT, 'x', node.timeUs))).toEqual([HELD, 20_000, '', 0, '2']);
    await node.askOne(acquire(slot(2), 'y', node.timeUs, 30_000));
    const waiting = { ...acquire(SLOT, 'x', node.timeUs), waiter: { member: 'p.1', since: 1 } };
    expect(await node.askOne(waiting)).toEqual([HELD, 5_000, '', 0, '']);
    expect(await node.members(SLOT.queues[0] ?? '')).toEqual(['p.1', '1']);
  }),
  rule('a waiter exchanges the slot that is reserved for it', async (node) => {
    const [mine = ''] = slot(1).keys;
    const [other = ''] = SLOT.keys;
    await node.set(mine, '~p.1', 100);
    await node.set(other, '~q.1', 100);
    const asking = { ...acquire(SLOT, 'v', node.timeUs), waiter: { member: 'p.1', since: 1 } };
    expect(await node.askOne(asking)).toEqual([GRANTED, node.timeUs]);
    expect(await node.get(other)).toBe('v');
    expect(await node.get(mine)).toBe('~q.1');
  }),
  rule('a waiter is not handed a slot that it does not know of, and stays where it is', async (node) => {
    const queue = SLOT.queues[0] ?? '';
    await node.askOne(acquire(slot(2), 'v', node.timeUs));
    for (const [member, since] of [
      ['p.1/2', 1],
      ['p.2/3', 2],
    ] as const) {
      await node.askOne({ ...SLOT, kind: 'enter', waiter: { member, since } });
    }
    // Neither is heard: the one that knows of the slot is dropped.
    await node.askOne(release(slot(2), 'v'));
    expect(await node.get(slot(2).keys[0] ?? '')).toBeNull();
    expect(await node.members(queue)).toEqual(['p.1/2', '1']);
  }),
  rule('a slot that the semaphore does not have is not taken', async (node) => {
    const asking = { ...acquire(slot(3), 'v', node.timeUs), waiter: { member: 'p.1', since: 1 } };
    expect((await node.askOne(asking))[0]).toBe(FAILED);
    expect(await node.get(slot(3).keys[0] ?? '')).toBeNull();
  }),
  rule('LEAVE of a waiter for a permit leaves nothing reserved for it', async (node) => {
    const [mine = ''] = slot(2).keys;
    await node.set(mine, '~p.1', 100);
    expect(await node.askOne({ ...SLOT, kind: 'leave', member: 'p.1' })).toEqual([GRANTED, 1]);
    expect(await node.get(mine)).toBeNull();
  }),
];

const entering: readonly Rule[] = [
  rule('ENTER is too late after its deadline: who asked may have left', async (node) => {
    const enter = { kind: 'enter', ...ONE, waiter: { member: 'p.1', since: 1 } } as const;
    expect(await node.askOne(enter, { deadlineUs: -1 })).toEqual([LATE]);
    expect(await node.members(ONE.queues[0] ?? '')).toEqual([]);
    expect(await node.askOne(enter)).toEqual([GRANTED, 1]);
    expect(await node.members(ONE.queues[0] ?? '')).toEqual(['p.1', '1']);
  }),
  rule(
    'no waiter has a place of the future: another with a right clock would never be first',
    async (node) => {
      const waiter = { member: 'p.1', since: node.timeUs + HOUR_US };
      await node.askOne({ kind: 'enter', ...ONE, waiter });
      expect(await node.members(ONE.queues[0] ?? '')).toEqual(['p.1', String(node.timeUs)]);
    },
  ),
];

const waiting: readonly Rule[] = ALONE.filter(([way]) => /^CONTEND/.test(way)).flatMap(
  ([way, keys, take]) => [
    rule(
      `${way} enters the queue of a key that is held, which lives for twice the largest maxTtl`,
      async (node) => {
        const [key = ''] = keys.keys;
        const [queue = ''] = keys.queues;
        await node.set(key, 'other', 5_000);
        expect(await node.askOne(take(keys, 'v', node.timeUs), { maxTtl: 30_000 })).toEqual(
          keys === ONE ? [HELD, 5_000, '', 0, 1] : [HELD, 5_000, '', 0, 1, 2_000],
        );
        expect(await node.left(queue)).toBe(60_000);
        await node.askOne(take(keys, 'v', node.timeUs), { maxTtl: 1_000 });
        expect(await node.left(queue)).toBe(60_000);
        await node.askOne(take(keys, 'v', node.timeUs), { maxTtl: 40_000 });
        expect(await node.left(queue)).toBe(80_000);
      },
    ),
    rule(`${way} leaves the queues once it has its keys`, async (node) => {
      await node.askOne({ ...keys, kind: 'enter', waiter: { member: 'p.1', since: 1 } });
      expect(await node.askOne(take(keys, 'v', node.timeUs))).toEqual([GRANTED, node.timeUs]);
      for (const queue of keys.queues) expect(await node.members(queue)).toEqual([]);
    }),
    rule(`${way} takes what is kept for it`, async (node) => {
      for (const key of keys.keys) await node.set(key, '~p.1', 100);
      expect(await node.askOne(take(keys, 'v', node.timeUs))).toEqual([GRANTED, node.timeUs]);
      await node.expectHeld(keys, 'v', node.timeUs);
      for (const key of keys.keys) expect(await node.left(key)).toBe(10_000);
    }),
  ],
);

/** A waiter for several keys that asked when a second of the node's time had passed: for half of that it is trusted. */
const waiterOfSeveral = (node: RuleNode): Operation => ({
  ...{ kind: 'acquire', ...SEVERAL, value: 'v', ttl: 10_000, proposal: node.timeUs },
  waiter: { member: 'p.1', since: node.timeUs - 1_000_000 },
});

const overlapping: readonly Rule[] = [
  rule(
    'the oldest waiter for several keys keeps the free ones for half of the time for which it has waited',
    async (node) => {
      const [free = '', held = ''] = SEVERAL.keys;
      await node.set(held, 'other', 5_000);
      expect(await node.askOne(waiterOfSeveral(node))).toEqual([HELD, 5_000, '', 0, 1, 250]);
      expect(await node.get(free)).toBe(`~p.1:${node.timeUs - 1_000_000}`);
      expect(await node.left(free)).toBe(500);
    },
  ),
  rule('a waiter for several keys that is behind another one for one of them keeps none', async (node) => {
    const [free = '', held = ''] = SEVERAL.keys;
    await node.set(held, 'other', 5_000);
    await node.askOne({
      kind: 'enter',
      ...SEVERAL,
      waiter: { member: 'q.1', since: node.timeUs - 1_000_001 },
      keys: [held],
      fences: [],
      queues: SEVERAL.queues.slice(1),
    });
    await node.set(free, `~p.1:${node.timeUs - 1_000_000}`, 100);
    expect(await node.askOne(waiterOfSeveral(node))).toEqual([HELD, 5_000, '', 1, 1]);
    expect(await node.get(free)).toBeNull();
  }),
  ...[
    ['takes what is reserved for a younger waiter', 1, true],
    ['takes nothing that is reserved for a waiter of the same age', 0, false],
    ['takes nothing that is reserved for an older waiter', -1, false],
    ['takes nothing that is reserved for a waiter without an age', undefined, false],
  ].map(([what, later, isTaken]) =>
    rule(`a waiter for several keys ${what}`, async (node) => {
      const age = later === undefined ? '' : `:${node.timeUs - 1_000_000 + Number(later)}`;
      await node.set(SEVERAL.keys[1] ?? '', `~q.1${age}`, 100);
      const [code] = await node.askOne(waiterOfSeveral(node));
      expect(code).toBe(isTaken ? GRANTED : HELD);
      if (isTaken) await node.expectHeld(SEVERAL, 'v', node.timeUs);
      else expect(await node.get(SEVERAL.keys[1] ?? '')).toBe(`~q.1${age}`);
    }),
  ),
  rule(
    'a waiter for one key takes what is kept for a younger one, and nothing of one that was just notified',
    async (node) => {
      for (const [left, code] of [
        [100, HELD],
        [101, GRANTED],
      ] as const) {
        await node.set(ONE.keys[0] ?? '', `~q.1:${node.timeUs}`, left);
        expect((await node.askOne(contend(ONE, 'v', node.timeUs)))[0]).toBe(code);
      }
    },
  ),
  rule('a writer whose process does not hear that it is notified keeps no readers out', async (node) => {
    await node.askOne(acquire(SHARED, 'first', node.timeUs));
    await node.askOne({ kind: 'enter', ...ONE, waiter: { member: 'p.1', since: 1 } });
    expect((await node.askOne(acquire(SHARED, 'second', node.timeUs)))[0]).toBe(GRANTED);
    expect(await node.members(ONE.queues[0] ?? '')).toEqual([]);
  }),
  rule('a writer that was notified and has not come keeps readers out for a grace', async (node) => {
    await node.askOne(acquire(SHARED, 'first', node.timeUs));
    await node.putScore(SHARED.sharers ?? '', '~', -Math.floor(node.timeUs / 1_000));
    expect((await node.askOne(acquire(SHARED, 'second', node.timeUs)))[0]).toBe(BEHIND);
    await node.pass(99);
    expect((await node.askOne(acquire(SHARED, 'second', node.timeUs)))[0]).toBe(BEHIND);
    await node.pass(1);
    expect((await node.askOne(acquire(SHARED, 'second', node.timeUs)))[0]).toBe(GRANTED);
  }),
];

const enter = (keys: LockKeys, member: string, since: number): Operation => ({
  ...keys,
  kind: 'enter',
  waiter: { member, since },
});

const notifying: readonly Rule[] = [
  ...[ONE, SEVERAL].map((keys) =>
    rule(
      `RELEASE of ${keys.keys.length} reserves a key for the first waiter that hears it, by its name and age`,
      async (node) => {
        await node.listen('q');
        await node.askOne(acquire(keys, 'v', node.timeUs));
        for (const [member, since] of [
          ['p.1', 1],
          ['q.2', 2],
          ['q.3', 3],
        ] as const)
          await node.askOne(enter(keys, member, since));
        await node.askOne(release(keys, 'v'));
        for (const key of keys.keys) {
          expect(await node.get(key)).toBe('~q.2:2');
          expect(await node.left(key)).toBe(100);
        }
        for (const queue of keys.queues) expect(await node.members(queue)).toEqual(['q.3', '3']);
        expect(await node.notified()).toEqual(keys.keys.map(() => 'q.2'));
      },
    ),
  ),
  rule('RELEASE of several reserves a key though another of them is gone', async (node) => {
    await node.listen('q');
    await node.askOne(acquire(SEVERAL, 'v', node.timeUs));
    await node.askOne(enter(SEVERAL, 'q.1', 1));
    await node.delete(SEVERAL.keys[1] ?? '');
    await node.askOne(release(SEVERAL, 'v'));
    for (const key of SEVERAL.keys) expect(await node.get(key)).toBe('~q.1:1');
  }),
  ...WAYS.filter(([way]) => /^(?:ACQUIRE|SHARE)/.test(way)).map(([way, keys, take]) =>
    rule(`${way} of what is free and waited for gives it to the first waiter`, async (node) => {
      await node.listen('q');
      await node.askOne(enter(keys, 'q.1', 1));
      expect((await node.askOne(take(keys, 'v', node.timeUs))).slice(0, 2)).toEqual([HELD, 100]);
      for (const key of keys.keys) expect(await node.get(key)).toBe('~q.1:1');
      for (const fence of keys.fences) expect(await node.get(fence)).toBeNull();
      expect(await node.notified()).toEqual(keys.keys.map(() => 'q.1'));
    }),
  ),
  rule('ACQUIRE among others of its call gives what is waited for to the first waiter', async (node) => {
    await node.listen('q');
    await node.askOne(enter(OTHER, 'q.1', 1));
    const replies = await node.ask([acquire(ONE, 'v', node.timeUs), acquire(OTHER, 'w', node.timeUs)]);
    expect(replies).toEqual([node.timeUs, expect.arrayContaining([HELD, 100])]);
    expect(await node.get('lock:b')).toBe('~q.1:1');
  }),
  ...(
    [
      ['is too late after its deadline', { ...MARKED, deadlineUs: -1 }, 'active', LATE],
      ['is refused without a marker that lets the node vote', MARKED, 'joining', QUARANTINED],
    ] as const
  ).map(([what, header, state, refusal]) =>
    rule(`ACQUIRE among others of its call ${what}`, async (node) => {
      await node.set(MARKER_KEY, `${state} ${node.runId} nonce 3 30000`);
      const both = [acquire(ONE, 'v', node.timeUs), acquire(OTHER, 'w', node.timeUs)];
      expect(await node.ask(both, header)).toEqual([[refusal], [refusal]]);
      for (const key of SEVERAL.keys) expect(await node.get(key)).toBeNull();
    }),
  ),
  rule('LEAVE of a waiter hands the key that is reserved for it to the next', async (node) => {
    await node.listen('q');
    for (const key of SEVERAL.keys) await node.set(key, '~p.1:1', 5_000);
    await node.askOne(enter(ONE, 'q.1', 2));
    expect(await node.askOne({ ...SEVERAL, kind: 'leave', member: 'p.1' })).toEqual([GRANTED, 2]);
    expect(await node.get('lock:a')).toBe('~q.1:2');
    expect(await node.left('lock:a')).toBe(100);
    expect(await node.get('lock:b')).toBeNull();
  }),
  rule('RELEASE among others of its call frees what its value has, and nothing else', async (node) => {
    await node.askOne(acquire(ONE, 'v', node.timeUs));
    await node.askOne(acquire(OTHER, 'other', node.timeUs));
    expect(await node.ask([release(ONE, 'v'), release(OTHER, 'w')])).toEqual([1, [HELD, 10_000, '']]);
    expect(await node.get('lock:a')).toBeNull();
    expect(await node.get('lock:b')).toBe('other');
    await node.askOne(acquire(ONE, 'v', node.timeUs));
    expect(await node.ask([release(ONE, 'v'), release(OTHER, 'other')])).toEqual([1, 1]);
    for (const key of SEVERAL.keys) expect(await node.get(key)).toBeNull();
  }),
  rule('RELEASE among others of its call reserves a key for its first waiter', async (node) => {
    await node.listen('q');
    await node.askOne(acquire(ONE, 'v', node.timeUs));
    await node.askOne(acquire(OTHER, 'w', node.timeUs));
    await node.askOne(enter(OTHER, 'q.1', 1));
    await node.ask([release(ONE, 'v'), release(OTHER, 'w')]);
    expect(await node.get('lock:a')).toBeNull();
    expect(await node.get('lock:b')).toBe('~q.1:1');
  }),
  rule(
    'a waiter that is passed over leaves the queue and hears of it, so that it enters again',
    async (node) => {
      await node.listen('q');
      await node.askOne(enter(ONE, 'q.1', 1));
      await node.askOne({ ...ONE, kind: 'leave', member: 'q.1', isHung: true });
      expect(await node.members(ONE.queues[0] ?? '')).toEqual([]);
      expect(await node.notified()).toEqual(['q.1']);
    },
  ),
  rule('a waiter that leaves is told nothing', async (node) => {
    await node.listen('q');
    await node.askOne(enter(ONE, 'q.1', 1));
    await node.askOne({ ...ONE, kind: 'leave', member: 'q.1' });
    expect(await node.notified()).toEqual([]);
  }),
  ...[true, false].map((isHung) =>
    rule(`a key goes on from a waiter that has it, past others of its process: ${isHung}`, async (node) => {
      for (const process of ['q', 'r']) await node.listen(process);
      await node.set(ONE.keys[0] ?? '', '~q.1:1', 100);
      await node.askOne(enter(ONE, 'q.2', 2));
      await node.askOne(enter(ONE, 'r.3', 3));
      await node.askOne({ ...ONE, kind: 'leave', member: 'q.1', isHung });
      expect(await node.get(ONE.keys[0] ?? '')).toBe(isHung ? '~r.3:3' : '~q.2:2');
      expect(await node.notified()).toEqual(isHung ? ['q.2', 'r.3'] : ['q.2']);
    }),
  ),
];

export const RULES: readonly Rule[] = [
  ...notifying,
  ...overlapping,
  ...acquiring,
  ...several,
  ...marking,
  ...inspecting,
  ...confirming,
  ...extending,
  ...adopting,
  ...adoptingShares,
  ...releasing,
  ...sharing,
  ...permitting,
  ...entering,
  ...waiting,
];
