import fc from 'fast-check';
import {
  fenceKeyOf,
  queueKeyOf,
  semaphoreKeyOf,
  sharersKeyOf,
  slotKeyOf,
} from '../../src/quorum/fencing-token.ts';
import type { ForeignType } from '../../src/testing/key-store.ts';
import { FOREIGN_TYPES } from './subject.ts';

/*
 * What a conformance run is made of. Whatever depends on the moment (the server's TIME, its run_id, a counter as it
 * is by then) is named here and filled in when the step is done, so that a shorter run still means something.
 */

export const MARKER_KEY = 'quorlock:node';
const LOCK_KEYS = ['lock:a', 'lock:b', '{lock}:c'];
/** The slots of one semaphore, which have one queue. */
export const SLOT_KEYS: readonly string[] = [0, 1, 2, 3].map((slot) => slotKeyOf('lock', slot));
export const SLOTS_QUEUE: string = queueKeyOf(semaphoreKeyOf('lock'));
const FENCE_KEYS = [...LOCK_KEYS, ...SLOT_KEYS].map(fenceKeyOf);
const QUEUE_KEYS: readonly string[] = [...LOCK_KEYS.map(queueKeyOf), SLOTS_QUEUE];
const SHARERS_KEYS = LOCK_KEYS.map(sharersKeyOf);
/** Keys that hold sorted sets, where no client has put anything else. */
export const SORTED_SET_KEYS: readonly string[] = [...QUEUE_KEYS, ...SHARERS_KEYS];
export const ALL_KEYS: readonly string[] = [
  MARKER_KEY,
  ...LOCK_KEYS,
  ...FENCE_KEYS,
  ...QUEUE_KEYS,
  ...SHARERS_KEYS,
  ...SLOT_KEYS,
];

/** A number of microseconds, counted from the server's TIME or from the highest counter of the keys involved. */
export interface Moment {
  readonly from: 'time' | 'counter' | 'zero';
  readonly offset: number;
}

export interface OperationStep {
  readonly kind:
    | 'acquire'
    | 'contend'
    | 'confirm'
    | 'extend'
    | 'adopt'
    | 'release'
    | 'inspect'
    | 'enter'
    | 'leave'
    | 'waiting'
    | 'share'
    | 'confirm-share'
    | 'extend-share'
    | 'adopt-share'
    | 'release-share'
    | 'permit'
    | 'leave-permit'
    | 'inspect-permit';
  readonly keys: readonly string[];
  readonly fenced: boolean;
  readonly value: string;
  readonly ttl: number;
  readonly number: Moment;
  /** The waiters; empty if there is none. */
  readonly member: string;
  readonly since: Moment;
  /** The lock value that SHARE takes over, or that is to be adopted; empty if there is none. */
  readonly previous: string;
  /** Of operations on permits: which slot, and how many slots they take the semaphore to have. */
  readonly slot: number;
  readonly permits: number;
}

export interface MarkerText {
  readonly state: string;
  readonly runId: 'own' | 'other' | 'shortened';
  readonly rest: string;
}

export type Step =
  | {
      readonly do: 'call';
      readonly by: 'EVALSHA' | 'EVAL';
      readonly deadlineUs: number;
      readonly nodeCount: '' | '3' | '5';
      readonly maxTtl: number;
      readonly clampUs: number;
      readonly retention: number;
      readonly grace: number;
      readonly block: number;
      readonly operations: readonly OperationStep[];
    }
  | {
      readonly do: 'mark';
      readonly next: MarkerText | '';
      readonly seenRunId: 'own' | 'other';
      readonly seenMarker: 'own' | 'other';
      readonly deadlineUs: number;
    }
  | { readonly do: 'set marker'; readonly text: MarkerText; readonly ttl: number | undefined }
  | {
      readonly do: 'set lock';
      readonly key: string;
      readonly value: string;
      readonly ttl: number | undefined;
    }
  | { readonly do: 'set counter'; readonly key: string; readonly counter: Moment | string }
  | { readonly do: 'set foreign'; readonly key: string; readonly type: ForeignType }
  | { readonly do: 'delete'; readonly key: string }
  /** This number of waiters that do not listen, with the same score, and one of another name behind them. */
  | {
      readonly do: 'fill queue';
      readonly key: string;
      readonly deaf: number;
      readonly score: number;
      readonly last: string;
    }
  /** A writer that was called so long ago, and has not come, while readers have the key. */
  | { readonly do: 'called'; readonly key: string; readonly agoMs: number }
  /** A client has a share of a key, as it was left behind: beside a lock key that says so, or another one. */
  | { readonly do: 'share'; readonly key: string; readonly by: string; readonly forMs: number }
  | { readonly do: 'subscribe' | 'unsubscribe'; readonly process: string }
  /** From now on the server refuses what needs memory, or whatever writes, or nothing. */
  | { readonly do: 'refuse'; readonly what: 'for want of memory' | 'as a replica' | 'nothing' }
  | { readonly do: 'flush memory' | 'flush scripts' }
  | { readonly do: 'pass'; readonly ms: number };

const PROCESSES = ['p1', 'p2', 'p2@h.+x:7'];
/** The processes of some are never there to hear, and the name of one has no process in it. */
const MEMBERS = [
  'p1.1',
  'p1.2',
  'p2.1',
  'p1.+1',
  'p2.+2',
  'p2@h.+x:7.1',
  'p1.1.',
  '.',
  'p3.1',
  'p3.+1',
  'p1x',
  'p1.+',
];
const members = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...MEMBERS.slice(0, 6)) },
  { weight: 1, arbitrary: fc.constantFrom(...MEMBERS) },
);
const values = fc.constantFrom('v0', 'v1', 'v2', 'p1@web-3:4711.a', 'p_-2@ü .h@.z', 'ü "\\\r\n');
/** What others, or a call of another waiter, may have left in a lock key. */
const foundValues = fc.oneof(
  values,
  fc.constantFrom('', '~', '~p1.1', '~p2.1', '~p1.+1', '~p1x', '&', '&'),
  fc.constantFrom(
    '~p1.1:0',
    '~p1.2:7',
    '~p2.1:1893456000000000',
    '~p2.1:9007199254740993',
    '~p1.+1:x',
    '~:5',
  ),
);
const lockKeys = fc.constantFrom(...LOCK_KEYS);
const anyKeys = fc.constantFrom(...LOCK_KEYS, ...SLOT_KEYS);
/** What no client sends as a number. */
const BAD_NUMBERS = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -1,
  0.5,
  1e15 + 0.5,
  2 ** 53,
  1e300,
];
/** One that is no ttl is refused by SET; keys are then left as they were. */
const ttls = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(1, 2, 100, 1_000, 30_000, 2 ** 31, 31_536_000_000) },
  { weight: 1, arbitrary: fc.constantFrom(0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300) },
);
const BAD_BLOCKS = [0, -8, 0.5, 101, Number.NaN];
const clamps = fc.constantFrom(
  ...Array<number>(8).fill(1_000_000),
  1,
  1,
  1,
  1,
  0,
  0,
  0,
  0,
  -1,
  1e13,
  Number.NaN,
);
/** What is no counter, be it that it looks like one, and what is a very high one. */
const BAD_COUNTERS = [
  ...['', ' ', '0', '00', '-1', '-0', '0.5', '1.5', 'not a number', ' 7 ', '+7', '0x10', '1e15', '1e400'],
  ...['nan', '-nan', 'NaN', 'inf', '-inf', 'Infinity', '9'.repeat(400), '1893456000000000.5', '\0'],
  ...[
    '9007199254739991',
    '9007199254739992',
    '9007199254739999',
    '9007199254740000',
    '9007199254740991',
    '9007199254740992',
    '18014398509481984',
  ],
];
/** Around now, and around where the clamp sets in. */
const aroundNow = fc.constantFrom(-1_000_001, -1_000_000, -999_999, -1, 0, 1, 999_999, 1_000_000, 1_000_001);
const deadlines = fc.constantFrom(50_000, 50_000, 50_000, 0, 1, -1, -1_000_000);
const moments: fc.Arbitrary<Moment> = fc.oneof(
  fc.record({ from: fc.constant('time'), offset: aroundNow }),
  fc.record({ from: fc.constant('counter'), offset: fc.constantFrom(0, 0, -1, 1) }),
  fc.record({ from: fc.constant('zero'), offset: fc.constantFrom(0, 1, 7, ...BAD_NUMBERS) }),
);

const operations: fc.Arbitrary<OperationStep> = fc.record({
  kind: fc.constantFrom(
    ...(['acquire', 'acquire', 'contend', 'contend', 'contend', 'confirm', 'extend', 'release'] as const),
    ...(['release', 'release', 'inspect', 'enter', 'leave', 'waiting', 'adopt', 'adopt-share'] as const),
    ...(['share', 'share', 'share', 'confirm-share', 'extend-share', 'release-share'] as const),
    ...(['release-share', 'permit', 'permit', 'leave-permit', 'inspect-permit'] as const),
  ),
  keys: fc.oneof(
    { weight: 2, arbitrary: lockKeys.map((key) => [key]) },
    { weight: 1, arbitrary: fc.shuffledSubarray(LOCK_KEYS, { minLength: 2 }) },
  ),
  fenced: fc.boolean(),
  value: values,
  ttl: ttls,
  number: moments,
  member: fc.oneof({ weight: 6, arbitrary: members }, { weight: 1, arbitrary: fc.constant('') }),
  since: fc.record({
    from: fc.constantFrom('time', 'time', 'zero'),
    offset: fc.constantFrom(-1_000_000, -1_000, -1, 0, 0, 1, 1_000, ...BAD_NUMBERS),
  }),
  previous: fc.oneof({ weight: 2, arbitrary: fc.constant('') }, { weight: 1, arbitrary: values }),
  slot: fc.nat(3),
  permits: fc.constantFrom(3, 3, 3, 3, 3, 1, 2, 4, 0, 1_001, Number.NaN),
});

const markerTexts: fc.Arbitrary<MarkerText> = fc.record({
  state: fc.constantFrom('active', 'active', 'active', 'joining', 'Active', ''),
  runId: fc.constantFrom('own', 'own', 'own', 'other', 'shortened'),
  rest: fc.constantFrom(
    ...[
      'n0 3 30000',
      'n0 3 30000',
      'n1 3 30000',
      'n0 5 30000',
      'n0 3 1000',
      'n0 3',
      ' n0 3 30000',
      'n0 3 30000 x',
      '',
    ],
  ),
});

const calls: fc.Arbitrary<Extract<Step, { readonly do: 'call' }>> = fc.record({
  do: fc.constant('call'),
  by: fc.constantFrom('EVALSHA', 'EVALSHA', 'EVALSHA', 'EVALSHA', 'EVAL'),
  deadlineUs: deadlines,
  nodeCount: fc.constantFrom('', '', '3', '5'),
  maxTtl: fc.constantFrom(30_000, 30_000, 1_000, 30_001),
  clampUs: clamps,
  retention: fc.constantFrom(3_600_000, 3_600_000, 3_600_000, 1_000, 0),
  grace: fc.constantFrom(100, 100, 100, 1, 1_000, 0),
  block: fc.constantFrom(8, 8, 8, 8, 1, 1, 2, 2, 3, 3, 100, ...BAD_BLOCKS),
  operations: listsOf(operations, 4),
});

const marks: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('mark'),
  next: fc.oneof(markerTexts, markerTexts, fc.constant('' as const)),
  seenRunId: fc.constantFrom('own', 'own', 'own', 'other'),
  seenMarker: fc.constantFrom('own', 'own', 'own', 'other'),
  deadlineUs: deadlines,
});

const maybeTtls = fc.option(fc.constantFrom(1, 1_000, 30_000), { nil: undefined });

const surroundings: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('set marker'), text: markerTexts, ttl: maybeTtls }),
  fc.record({ do: fc.constant('set lock'), key: anyKeys, value: foundValues, ttl: maybeTtls }),
  fc.record({
    do: fc.constant('set counter'),
    key: anyKeys,
    counter: fc.oneof(moments, fc.constantFrom(...BAD_COUNTERS)),
  }),
  fc.record({
    do: fc.constant('set foreign'),
    key: fc.constantFrom(...ALL_KEYS, ...LOCK_KEYS),
    type: fc.constantFrom(...FOREIGN_TYPES),
  }),
  fc.record({ do: fc.constant('delete'), key: fc.constantFrom(...ALL_KEYS) }),
  fc.record({
    do: fc.constant('fill queue'),
    key: fc.constantFrom(...QUEUE_KEYS),
    deaf: fc.constantFrom(0, 1, 11, 64, 101, 999, 1_000),
    score: fc.constantFrom(0, 1, 1_893_456_000_000_000),
    last: members,
  }),
  fc.record({
    do: fc.constant('share'),
    key: lockKeys,
    by: values,
    // In milliseconds of the server's TIME, from now on.
    forMs: fc.constantFrom(-1, 0, 1, 1_000, 30_000),
  }),
  fc.record({
    do: fc.constant('called'),
    key: lockKeys,
    agoMs: fc.constantFrom(-1, 0, 1, 99, 100, 199, 200, 4_000),
  }),
  fc.record({ do: fc.constantFrom('flush memory', 'flush scripts') }),
);

const listening: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom('subscribe', 'subscribe', 'unsubscribe'),
  process: fc.constantFrom(...PROCESSES),
});

const refusals: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('refuse'),
  what: fc.constantFrom('for want of memory', 'as a replica', 'nothing', 'nothing'),
});

const passes: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('pass'),
  ms: fc.constantFrom(1, 2, 3, 99, 100, 101, 999, 1_000, 1_001, 30_000, 3_600_001, -1, -1_000),
});

const steps = fc.oneof(
  { weight: 12, arbitrary: calls },
  { weight: 2, arbitrary: marks },
  { weight: 3, arbitrary: surroundings },
  { weight: 3, arbitrary: passes },
  { weight: 3, arbitrary: listening },
  { weight: 1, arbitrary: refusals },
);

/** A waiter takes what was kept for it, or what its own process gives back, while it is in the queue still. */
const takeOvers: fc.Arbitrary<readonly Step[]> = fc
  .record({
    at: fc.nat(LOCK_KEYS.length - 1),
    member: members,
    isReserved: fc.boolean(),
    deaf: fc.constantFrom(0, 1),
    call: calls,
    operation: operations,
  })
  .map(({ at, member, isReserved, deaf, call, operation }) => {
    const key = LOCK_KEYS[at] ?? '';
    const contend = {
      ...operation,
      kind: 'contend' as const,
      keys: [key],
      member,
      previous: 'v0',
      value: 'v1',
    };
    return [
      { do: 'fill queue', key: QUEUE_KEYS[at] ?? '', deaf, score: 1, last: member },
      { do: 'set lock', key, value: isReserved ? `~${member}` : 'v0', ttl: 1_000 },
      { ...call, nodeCount: '', operations: [contend] },
    ];
  });

/** Slots that are reserved for waiters or owned, and an operation on one of them. */
const permitting: fc.Arbitrary<readonly Step[]> = fc
  .record({
    owners: fc.tuple(
      ...SLOT_KEYS.map(() => fc.constantFrom('', 'v0', 'v1', '~p1.1', '~p1.1', '~p1.2/2', '~p2.1/3')),
    ),
    waiting: fc.shuffledSubarray(['p1.1', 'p1.2/2', 'p2.1/1', 'p2.1/3', 'p3.1/3', 'p2.+1/2', 'p1.1/x']),
    member: fc.constantFrom('p1.1', 'p1.1', 'p1.2/2', 'p2.1/3', ''),
    kind: fc.constantFrom('permit', 'permit', 'permit', 'leave-permit', 'inspect-permit'),
    call: calls,
    operation: operations,
  })
  .map(({ owners, waiting, member, kind, call, operation }) => [
    ...PROCESSES.map((process) => ({ do: 'subscribe', process }) as const),
    ...owners.flatMap((value, slot): Step[] =>
      value === '' ? [] : [{ do: 'set lock', key: SLOT_KEYS[slot] ?? '', value, ttl: 1_000 + slot }],
    ),
    ...waiting.map((last, score) => ({ do: 'fill queue', key: SLOTS_QUEUE, deaf: 0, score, last }) as const),
    { ...call, nodeCount: '', deadlineUs: 50_000, operations: [{ ...operation, kind, member, permits: 3 }] },
  ]);

/** A reader asks where others read, or a caller for several keys of which another value owns one; others wait before it. */
const overlapping: fc.Arbitrary<readonly Step[]> = fc
  .record({
    member: members,
    waiter: members,
    owner: foundValues,
    other: foundValues,
    ttl: fc.constantFrom(50, 150, 1_000),
    deaf: fc.constantFrom(0, 1),
    agoMs: fc.constantFrom(undefined, 0, 99, 100, 150, 199, 200, 4_000),
    isShare: fc.boolean(),
    call: calls,
    operation: operations,
  })
  .map(({ member, waiter, owner, other, ttl, deaf, agoMs, isShare, call, operation }) => {
    const [first = '', second = ''] = LOCK_KEYS;
    const score = operation.since.offset === 0 ? 1_893_456_000_000_000 : 1;
    return [
      { do: 'fill queue', key: QUEUE_KEYS[0] ?? '', deaf, score, last: waiter },
      { do: 'set lock', key: first, value: isShare ? '&' : owner, ttl },
      { do: 'set lock', key: second, value: other, ttl: 1_000 },
      ...(agoMs === undefined ? [] : [{ do: 'called' as const, key: first, agoMs }]),
      { do: 'subscribe', process: 'p1' },
      {
        ...call,
        nodeCount: '',
        operations: [
          isShare
            ? { ...operation, kind: 'share', keys: [first], member }
            : { ...operation, kind: 'contend', keys: [first, second], member },
        ],
      },
    ] satisfies readonly Step[];
  });

/** Keys that others left behind, and then what the library and others do. */
export const sequences: fc.Arbitrary<readonly Step[]> = fc
  .tuple(
    fc.array(fc.oneof(surroundings, listening), { maxLength: 4 }),
    fc.oneof(
      { weight: 8, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: takeOvers },
      { weight: 1, arbitrary: permitting },
      { weight: 2, arbitrary: overlapping },
    ),
    listsOf(steps, 12),
  )
  .map(([before, takeOver, then]) => [...before, ...takeOver, ...then]);

/** Lists of at least one. With a `minLength` instead, fast-check can't drop what comes last from a failing list. */
function listsOf<T>(items: fc.Arbitrary<T>, maxLength: number): fc.Arbitrary<T[]> {
  return fc.array(items, { maxLength }).filter(({ length }) => length > 0);
}
