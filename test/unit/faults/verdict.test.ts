import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkAttempts } from '../../../scripts/faults/checks.ts';
import { growthOf } from '../../../scripts/faults/fleet/leaks.ts';
import {
  availabilityOf,
  type Impairment,
  outagesOf,
  recoveriesOf,
  waitsOf,
} from '../../../scripts/faults/fleet/outages.ts';
import {
  type Attempt,
  type History,
  LogFile,
  readHistory,
  type Vitals,
  type WorkerEvent,
  type WorkerHistory,
} from '../../../scripts/faults/record.ts';

/** What the checkers say of locks in order. */
const NOTHING = { overlaps: [], validityOverlaps: [], tokenFaults: [], lateExtensions: [], crowds: [] };

const REST = { slot: undefined, extensions: [], writes: [] };

describe('the history of a worker', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quorlock-history-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const order = { caller: 'A1', resources: ['orders'], way: 'wait', use: 'alone', waitTime: 500 } as const;
  const asked = { kind: 'asked', ...order } as const;

  async function historyOf(name: string, events: readonly WorkerEvent[], torn = ''): Promise<History> {
    const path = join(folder, name);
    using log = new LogFile(path);
    for (const event of events) log.note(event);
    await appendFile(path, torn);
    return readHistory(new Map([[name, path]]));
  }

  it('puts the events of an attempt together, and leaves a line out that a kill cut short', async () => {
    const events: WorkerEvent[] = [
      { ...asked, at: 10, id: 1 },
      { kind: 'granted', at: 20, id: 1, token: 7, lease: 'v', validUntil: 900 },
      { kind: 'acted', at: 30, id: 1, validUntil: 880 },
      { kind: 'acted', at: 60, id: 1, validUntil: 870 },
      { kind: 'done', at: 70, id: 1 },
      { kind: 'released', at: 75, id: 1, freed: true, handedOver: false },
      { ...asked, at: 80, id: 2 },
    ];
    const history = await historyOf('whole', events, '{"kind":"granted","at":9');
    const [first, second] = history.attempts;
    expect(first?.grant).toMatchObject({ token: 7, at: 20, acted: { first: 30, last: 60 }, validUntil: 70 });
    expect(second).toMatchObject({ settledAt: undefined, grant: undefined });
    expect(history.attempts).toHaveLength(2);
  });

  it('shows two holders that acted at once', async () => {
    const hold = (id: number, token: number, from: number): readonly WorkerEvent[] => [
      { ...asked, at: from - 1, id },
      { kind: 'granted', at: from, id, token, lease: `v${id}`, validUntil: from + 100 },
      { kind: 'acted', at: from + 1, id, validUntil: from + 100 },
      { kind: 'acted', at: from + 50, id, validUntil: from + 100 },
    ];
    const history = await historyOf('two', [...hold(1, 7, 10), ...hold(2, 7, 40)]);
    const { overlaps, validityOverlaps, tokenFaults } = checkAttempts(history.attempts, 1);
    expect([overlaps.length, validityOverlaps.length]).toEqual([1, 1]);
    expect(tokenFaults.map(({ kind }) => kind)).toEqual(['duplicate']);
  });
});

describe('tokens of a lease', () => {
  const granted = (lease: string, token: number, askedAt: number, at: number): Attempt => ({
    ...attempt(askedAt, at, undefined),
    caller: `${lease} ${token}`,
    grant: { token, lease, at, acted: undefined, validUntil: at, ended: undefined, ...REST },
  });
  const faultsOf = (attempts: readonly Attempt[], grow: Parameters<typeof checkAttempts>[2]) =>
    checkAttempts(attempts, 1, grow).tokenFaults.map(({ later }) => later.holder);

  it('that was handed over are as old as it where clocks may be wrong, and only there', () => {
    const stale = [granted('A', 1, 0, 10), granted('B', 9, 15, 20), granted('A', 2, 25, 30)];
    expect(faultsOf(stale, 'in real time')).toEqual(['A 2']);
    expect(faultsOf(stale, 'with leases')).toEqual([]);
  });

  it('that began later are higher everywhere', () => {
    const inverted = [granted('A', 9, 0, 10), granted('B', 1, 15, 20), granted('B', 2, 15, 30)];
    for (const grow of ['in real time', 'with leases'] as const) {
      expect(faultsOf(inverted, grow)).toEqual(['B 1', 'B 2']);
    }
  });
});

describe('what is shared', () => {
  const had = (use: Attempt['use'], caller: string, token: number, from: number, to: number): Attempt => ({
    ...attempt(from - 1, from, undefined),
    caller,
    use,
    grant: {
      token,
      lease: caller,
      at: from,
      acted: { first: from, last: to },
      validUntil: to,
      ended: undefined,
      ...REST,
    },
  });

  it('is no overlap of readers, and one of a writer with each of them', () => {
    const readers = [had('read', 'A', 7, 10, 100), had('read', 'B', 7, 20, 100)];
    expect(checkAttempts(readers, 1)).toEqual(NOTHING);
    const { overlaps } = checkAttempts([...readers, had('alone', 'C', 8, 90, 120)], 1);
    expect(overlaps.map(({ first, second }) => first.holder + second.holder)).toEqual(['AC', 'BC']);
  });

  it('is a crowd when there are more permits than the semaphore has', () => {
    const permits = [had('permit', 'A', 1, 10, 100), had('permit', 'B', 1, 20, 100)];
    expect(checkAttempts(permits, 2)).toEqual(NOTHING);
    expect(checkAttempts(permits, 1)).toMatchObject({ overlaps: [], crowds: [{ permits: 2 }] });
  });

  it('is an overlap when two have one slot of a semaphore', () => {
    const inSlot = (slot: number, attempt: Attempt): Attempt => ({
      ...attempt,
      ...(attempt.grant === undefined ? {} : { grant: { ...attempt.grant, slot } }),
    });
    const [one, other] = [had('permit', 'A', 1, 10, 100), had('permit', 'B', 1, 20, 100)];
    expect(checkAttempts([inSlot(0, one), inSlot(1, other)], 2)).toEqual(NOTHING);
    expect(checkAttempts([inSlot(0, one), inSlot(0, other)], 2)).toMatchObject({
      overlaps: [{ length: 80 }],
      tokenFaults: [{ kind: 'duplicate' }],
    });
  });
});

describe('an extension', () => {
  it('is late when a later lock had been granted before it was asked for', () => {
    const extended = (token: number, at: number, askedAt: number): Attempt => {
      const { grant, ...rest } = granted(at - 1, at);
      return { ...rest, grant: grant === undefined ? grant : { ...grant, token, extensions: [askedAt] } };
    };
    expect(checkAttempts([extended(1, 10, 15), granted(18, 20)], 1).lateExtensions).toEqual([]);
    expect(checkAttempts([extended(1, 10, 25), granted(18, 20)], 1).lateExtensions).toMatchObject([
      { token: 1, askedAt: 25, later: { token: 20 } },
    ]);
  });
});

describe('outages of a majority', () => {
  const out = (node: number, from: number, to: number): Impairment => ({
    node,
    from,
    to,
    what: `node ${node}`,
  });

  it('are none while three of five can vote', () => {
    expect(outagesOf([out(0, 0, 100), out(1, 50, 150), out(1, 60, 90)], 5)).toEqual([]);
  });

  it('last from the third node that is out to the first that is back', () => {
    const impairments = [out(0, 0, 100), out(1, 20, 300), out(2, 50, 200)];
    expect(outagesOf(impairments, 5)).toMatchObject([{ from: 50, to: 100 }]);
  });

  it('go on when another node goes before one is back', () => {
    const impairments = [out(0, 0, 100), out(1, 0, 300), out(2, 50, 200), out(3, 90, 150)];
    expect(outagesOf(impairments, 5)).toMatchObject([{ from: 50, to: 150 }]);
  });
});

describe('the verdict', () => {
  it('counts an attempt without a quorum as unserved, unless a majority was out or its process stood still', () => {
    const history = of([attempt(10, 20, 'QUORLOCK_HELD'), attempt(30, 40, 'QUORLOCK_NO_QUORUM')]);
    const count = ({ attempts, served }: { attempts: number; served: number }) => [attempts, served];
    expect(count(availabilityOf(history, [], []))).toEqual([2, 1]);
    expect(count(availabilityOf(history, [{ from: 35, to: 37 }], []))).toEqual([1, 1]);
    expect(count(availabilityOf(history, [], [{ from: 35, to: 37 }]))).toEqual([1, 1]);
  });

  it('measures a recovery from the end of the outage to the next lock', () => {
    const outage = { from: 0, to: 100, what: 'all' };
    const history = of([granted(150, 170), granted(200, 210)]);
    expect(recoveriesOf(history, [outage], [])).toEqual([{ outage, afterMs: 70 }]);
    expect(recoveriesOf(of([granted(5_000, 5_010)]), [outage], [])).toEqual([]);
    const unserved = of([attempt(150, 190, 'QUORLOCK_HELD')]);
    expect(recoveriesOf(unserved, [outage], []), 'so far, where the run ends').toEqual([
      { outage, afterMs: 90 },
    ]);
  });

  it('finds waits that never ended, ended late, or ran out while the lock was free', () => {
    const history = of([
      { ...attempt(0, undefined, undefined), waitTime: 100 },
      { ...attempt(0, 5_000, 'QUORLOCK_WAIT_TIMEOUT'), waitTime: 100, resources: ['stock'] },
      { ...attempt(0, 3_000, 'QUORLOCK_WAIT_TIMEOUT'), waitTime: 3_000, resources: ['ledger'] },
    ]);
    const { unsettled, late, starved } = waitsOf(history, [], 2_000);
    expect([unsettled.length, late.length, starved.length]).toEqual([1, 1, 2]);
  });

  it('finds who was ready to wait for two seconds and got no lock, but for a process that stood still', () => {
    const refused = { ...attempt(0, 2_000, 'QUORLOCK_NO_QUORUM'), waitTime: 2_000 };
    const history = of([
      refused,
      { ...refused, waitTime: 1_999 },
      { ...refused, refusal: 'aborted' },
      { ...granted(0, 1_500), waitTime: 2_500 },
    ]);
    const { patient, disappointed } = waitsOf(history, [], 2_000);
    expect([patient, disappointed]).toEqual([2, [refused]]);
    const stalled = { ...history, workers: [{ ...worker, stalls: [{ from: 100, to: 101 }] }] };
    expect(waitsOf(stalled, [], 2_000)).toMatchObject({ patient: 1, disappointed: [] });
    const standstill = { from: 100, to: 101 };
    expect(waitsOf(history, [], 2_000, [standstill])).toMatchObject({ patient: 1, disappointed: [] });
  });

  it('finds a heap, sockets and timers that grow, and none that stay as they are', () => {
    const growing = (grow: (index: number) => Partial<Vitals>) => {
      const vitals = Array.from({ length: 40 }, (_, index) => ({
        at: index,
        vitals: { heapBytes: 2e7, sockets: 10, timers: 10, ...grow(index) },
      }));
      return growthOf({ attempts: [], workers: [{ ...worker, vitals }] }).map(({ leaks }) => leaks);
    };
    expect(growing(() => ({}))).toEqual([false]);
    expect(growing((index) => ({ heapBytes: 2e7 + index * 1e6 }))).toEqual([true]);
    expect(growing((index) => ({ sockets: 10 + index }))).toEqual([true]);
    expect(growing((index) => ({ timers: 10 + index }))).toEqual([true]);
  });
});

const worker: WorkerHistory = {
  ...{ worker: 'A#0', vitals: [], stalls: [], left: [], warnings: new Map(), lastAt: 1e6 },
};

function of(attempts: readonly Attempt[]): History {
  return { attempts, workers: [worker] };
}

function attempt(askedAt: number, settledAt: number | undefined, refusal: string | undefined): Attempt {
  return {
    worker: 'A#0',
    caller: 'A1',
    resources: ['orders'],
    way: 'wait',
    use: 'alone',
    waitTime: 0,
    askedAt,
    settledAt,
    refusal,
    why: undefined,
    grant: undefined,
  };
}

function granted(askedAt: number, at: number): Attempt {
  const grant = {
    token: at,
    lease: `v${at}`,
    at,
    acted: undefined,
    validUntil: at + 10,
    ended: undefined,
    ...REST,
  };
  return { ...attempt(askedAt, at, undefined), grant };
}
