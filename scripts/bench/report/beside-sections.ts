import type { Chart } from '../../support/report/chart.ts';
import type { TextTable } from '../../support/report/html.ts';
import type { Section } from '../../support/report/section.ts';
import { columnsOf, inDigits } from '../peers/tables.ts';
import { isQuorlock, nameOf } from '../peers/variants.ts';
import type { CaseData, PeersData } from './data.ts';
import { besideBest, dots, heightsOf, logAxis, overWorkers, peersOf, workerCases } from './select.ts';

const BEST =
  'Every library at the setting, as shipped or with pipelining in the driver, that makes it fastest there.';

/** Cycles of acquire and release a second. */
export function rateChart(cases: readonly CaseData[]): Chart {
  const series = overWorkers(cases, ({ rate }) => rate);
  return {
    id: 'rate',
    title: 'Locks a second',
    text: `${BEST} Raw sockets write bytes that were encoded before, without tokens, timeouts or scripts: the limit.`,
    x: workersAxis(cases),
    y: logAxis('cycles of acquire and release a second', heightsOf(series)),
    series,
  };
}

export function p50Chart(cases: readonly CaseData[]): Chart {
  const series = overWorkers(cases, ({ acquireP50Ms }) => acquireP50Ms);
  return {
    id: 'p50',
    title: 'Median time of an acquire',
    text:
      'Up to the bend the median is the time of a round trip. From there on processors are busy all the time, and each worker ' +
      'waits for all before it: twice the workers, twice the time. The later a line bends, the less a lock costs.',
    x: workersAxis(cases),
    y: logAxis('acquire p50 (ms)', heightsOf(series)),
    series,
  };
}

export function throughputSections({ rounds, pace, cases, problems }: PeersData): readonly Section[] {
  const workers = workerCases(cases);
  const [alone] = workers.filter((one) => one.case.contendersEach === 1);
  const cpu = overWorkers(workers, ({ clientUs }) => clientUs);
  return [
    {
      title: 'A lock of its own for each worker',
      text: [
        `One process, five nodes. Medians of ${rounds} rounds of ${pace.cyclesMs} ms each, in which libraries take turns. Every ` +
          `library has a process that stays for all rounds, and was warmed up for ${pace.cyclesWarmUpMs / 1_000} s before: ` +
          'compilers need several seconds for any of them.',
        ...problems.map((problem) => `Not measured: ${problem}`),
      ],
      charts: [
        rateChart(workers),
        p50Chart(workers),
        ...(alone === undefined ? [] : [aloneChart(alone)]),
        {
          id: 'client',
          title: "What a lock costs the program's processor",
          text: `${BEST} Lower is better. Operations that are sent together share the cost of sending.`,
          x: workersAxis(workers),
          y: logAxis('processor time a cycle (µs)', heightsOf(cpu)),
          series: cpu,
        },
      ],
      tables: [ratios(workers), ...workers.map(caseTable), goals(cases)],
    },
  ];
}

export function failureSection({ pace, cases }: PeersData): Section {
  return {
    title: 'While nodes fail',
    text: [
      `64 workers; ${pace.cyclesMs / 1_000} s before, and as long while two of the five nodes do not answer.`,
    ],
    charts: [],
    tables: [...cases.map(caseTable), goals(cases)],
  };
}

export function contentionSections({ pace, cases }: PeersData): readonly Section[] {
  return cases.map((one) => ({
    title: 'One lock for all',
    text: [
      `${one.case.title}, each of which holds it for 1 ms; ${pace.measuredMs / 1_000} s. Tuned: pauses of 5 to 10 ms between ` +
        "two tries. Jain's index is 1 if all got the lock equally often, and 1 / n if one of n got it every time.",
    ],
    charts: [
      {
        id: 'jain',
        title: 'Who gets it: fairness under contention',
        text: 'Right is fair. quorlock needs no tuning, since no waiter polls.',
        x: { label: "Jain's index", domain: [0, 1.02], ticks: [0, 0.25, 0.5, 0.75, 1], tickFormat: String },
        y: { label: 'library', names: peersOf(one) },
        series: (['shipped', 'tuned'] as const).map((settings) => ({
          name: settings === 'shipped' ? 'as shipped' : settings,
          measured: dots(
            one,
            (variant) => variant.settings === settings,
            ({ jain }) => jain,
          ),
        })),
      },
    ],
    tables: [caseTable(one), goals([one])],
  }));
}

function workersAxis(cases: readonly CaseData[]) {
  const counts = cases.map((one) => one.case.contendersEach);
  const [from, to] = [Math.min(...counts), Math.max(...counts)];
  const domain = [from * 0.85, to * 1.18] as const;
  return { label: 'workers in one process', type: 'log', domain, ticks: counts, tickFormat: String } as const;
}

function aloneChart(data: CaseData): Chart {
  const shipped = ({ settings }: { readonly settings: string }) => settings === 'shipped';
  const series = [
    { name: 'p50', measured: dots(data, shipped, ({ acquireP50Ms }) => acquireP50Ms) },
    { name: 'p99', measured: dots(data, shipped, ({ acquireP99Ms }) => acquireP99Ms) },
  ];
  const most = Math.max(...series.flatMap(({ measured }) => measured.map(([ms]) => ms)));
  return {
    id: 'alone',
    title: 'An undisturbed acquire',
    text: 'One worker, each library as it is shipped.',
    x: { label: 'acquire (ms)', domain: [0, most * 1.05] },
    y: { label: 'library', names: peersOf(data) },
    series,
  };
}

function ratios(cases: readonly CaseData[]): TextTable {
  return {
    title: 'quorlock and the fastest peer at each number of workers',
    head: ['workers', 'quorlock, cycles/s', 'times the fastest peer', 'which is'],
    rows: cases.flatMap((one) => {
      const own = one.entries.find(({ variant }) => isQuorlock(variant));
      const best = besideBest(one);
      if (own === undefined || best === undefined) return [];
      return [
        [`${one.case.contendersEach}`, inDigits(own.figures.rate, 0), inDigits(best.ratio, 2), best.name],
      ];
    }),
  };
}

/** All libraries in one case. */
export function caseTable({ case: one, entries }: CaseData): TextTable {
  const own = entries.find(({ variant }) => isQuorlock(variant))?.figures;
  const columns = columnsOf(one);
  return {
    title: one.title,
    head: ['library', ...columns.map(({ head }) => head)],
    rows: entries.map(({ variant, figures }) => [
      nameOf(variant),
      ...columns.map(({ value, digits }) => inDigits(value(figures, own), digits)),
    ]),
  };
}

export function goals(cases: readonly CaseData[]): TextTable {
  return {
    title: 'Goals',
    head: ['case', 'goal', 'bound', 'measured', 'reached'],
    rows: cases.flatMap((one) =>
      one.goals.map(({ name, relation, bound, measured, reached }) => [
        one.case.name,
        name,
        `${relation} ${bound}`,
        inDigits(measured, 2),
        Number.isNaN(measured) ? '–' : reached ? 'yes' : 'NO',
      ]),
    ),
  };
}
