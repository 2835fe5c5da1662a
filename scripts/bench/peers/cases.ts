/** What contenders do in a case. */
export type CaseKind =
  /** Ask again and again. */
  | 'run'
  /** The same in one process, beside what one caller alone takes there. */
  | 'one-process'
  /** Hand over from one process to the other. */
  | 'handover'
  /** Ask once, all at the same moment. */
  | 'burst'
  /** Wait for a lock whose holder is killed. */
  | 'orphan'
  /** Take and release locks that no other worker wants. */
  | 'cycles'
  /** The same, before and while two of the five nodes fail. */
  | 'failing';

/** What `npm run bench` calls a group of cases. */
export type Group = 'contention' | 'throughput';

export interface Case {
  /** As `--case` takes it. */
  readonly name: string;
  readonly title: string;
  readonly kind: CaseKind;
  readonly processes: number;
  /** In each of these processes. */
  readonly contendersEach: number;
  /** What two of the nodes do. */
  readonly failure?: 'hung' | 'killed';
  /** Only quorlock is measured. */
  readonly isOwn?: boolean;
}

const PROCESSES = 4;

const CONTENTION: readonly Case[] = [
  { name: '2', title: '2 contenders, a process each', kind: 'run', processes: 2, contendersEach: 1 },
  spread(8),
  spread(32),
  spread(128),
  {
    name: 'one-process',
    title: '32 contenders in one process',
    kind: 'one-process',
    processes: 1,
    contendersEach: 32,
  },
  {
    name: 'burst',
    title: `32 contenders in ${PROCESSES} processes, once each, all at the same moment`,
    kind: 'burst',
    processes: PROCESSES,
    contendersEach: 32 / PROCESSES,
  },
  {
    name: 'orphan',
    title: '32 processes wait, the holder is killed with SIGKILL',
    kind: 'orphan',
    processes: 33,
    contendersEach: 1,
    isOwn: true,
  },
  {
    name: 'handover',
    title: 'from release to the acquire of the other process, 2 processes with a contender each',
    kind: 'handover',
    processes: 2,
    contendersEach: 1,
  },
];

const THROUGHPUT: readonly Case[] = [
  ...[1, 16, 64, 256, 1_024].map(workers),
  failing('hung'),
  failing('killed'),
];

export const CASES: Readonly<Record<Group, readonly Case[]>> = {
  contention: CONTENTION,
  throughput: THROUGHPUT,
};

function workers(count: number): Case {
  return {
    name: String(count),
    title: `${count} ${count === 1 ? 'worker' : 'workers'} in one process, each with a lock of its own`,
    kind: 'cycles',
    processes: 1,
    contendersEach: count,
  };
}

function failing(failure: 'hung' | 'killed'): Case {
  return {
    name: failure,
    title: `64 workers in one process, before and after two of the five nodes are ${failure}`,
    kind: 'failing',
    processes: 1,
    contendersEach: 64,
    failure,
    isOwn: true,
  };
}

function spread(contenders: number): Case {
  return {
    name: String(contenders),
    title: `${contenders} contenders in ${PROCESSES} processes`,
    kind: 'run',
    processes: PROCESSES,
    contendersEach: contenders / PROCESSES,
  };
}
