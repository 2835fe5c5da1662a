/** What contenders do in a case. */
export type CaseKind =
  /** Ask again and again. */
  | 'run'
  /** The same in one process, beside what one caller alone takes there. */
  | 'one-process'
  /** Hand over from one process to the other. */
  | 'handover'
  /** Ask once, all at the same moment. */
  | 'burst';

export interface Case {
  /** As `--case` takes it. */
  readonly name: string;
  readonly title: string;
  readonly kind: CaseKind;
  readonly processes: number;
  /** In each of these processes. */
  readonly contendersEach: number;
}

const PROCESSES = 4;

export const CASES: readonly Case[] = [
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
    name: 'handover',
    title: 'from release to the acquire of the other process, 2 processes with a contender each',
    kind: 'handover',
    processes: 2,
    contendersEach: 1,
  },
];

function spread(contenders: number): Case {
  return {
    name: String(contenders),
    title: `${contenders} contenders in ${PROCESSES} processes`,
    kind: 'run',
    processes: PROCESSES,
    contendersEach: contenders / PROCESSES,
  };
}
