import type { Place } from '../../support/report/chart.ts';
import type { Section } from '../../support/report/section.ts';
import type { HeldFigures } from '../held.ts';
import type { HungFigures } from '../hung.ts';
import type { MemoryFigures } from '../memory.ts';
import type { QuorumsFigures } from '../quorums.ts';
import { capacityOf, MILLION } from './capacity.ts';
import { heightsOf, logAxis, short } from './select.ts';

export function heldSection(all: readonly HeldFigures[]): Section {
  const along = (value: (figures: HeldFigures) => number) => all.map((one): Place => [one.held, value(one)]);
  const series = [
    { name: 'a caller alone, where they are held', joined: true, measured: along((one) => one.sameP50Ms) },
    { name: 'a caller alone, in another process', joined: true, measured: along((one) => one.otherP50Ms) },
    { name: '64 workers, in another process', joined: true, measured: along((one) => one.busyP50Ms) },
  ];
  return {
    title: 'While others are held',
    text: [
      'One process holds locks with a long ttl. Nothing that a lock does is a search through others: the nodes look keys up in ' +
        'hash tables, and the process has a map.',
    ],
    charts: [
      {
        id: 'held',
        title: 'Median time of an acquire while others are held',
        text:
          "What a million locks do to a process that holds none they do through the servers' memory: tables that no longer fit into a " +
          "processor's caches, and that are still being moved to larger ones. Where they are held, a larger heap is to be collected too.",
        x: {
          label: 'locks held',
          type: 'log',
          domain: [0.8, Math.max(10, ...all.map(({ held }) => held)) * 1.4],
          ticks: all.map(({ held }) => held),
          tickFormat: short,
        },
        y: logAxis('acquire p50 (ms)', heightsOf(series)),
        series,
      },
    ],
    tables: [
      {
        title: 'What held locks cost',
        head: [
          'locks held',
          'p50 ms, same process',
          'p50 ms, another',
          'p50 ms, 64 workers',
          'cycles/s, 64 workers',
          'heap bytes each',
          'bytes each, of one node',
          'acquired/s',
        ],
        rows: all.map((one) => [
          one.held.toLocaleString('en'),
          one.sameP50Ms.toFixed(3),
          one.otherP50Ms.toFixed(3),
          one.busyP50Ms.toFixed(2),
          one.busyRate.toFixed(0),
          // A few locks are less than what a heap differs by anyway.
          ...[one.heapBytesEach, one.nodeBytesEach].map((bytes) =>
            one.held < 1_000 ? '–' : bytes.toFixed(0),
          ),
          one.fillRate.toFixed(0),
        ]),
      },
    ],
  };
}

export function memorySection(memory: MemoryFigures | undefined, hung: readonly HungFigures[]): Section {
  const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  return {
    title: 'Memory',
    text: [
      'What one held lock takes in a process, and what is left in one that goes on at full speed for a minute while one of five nodes hangs.',
    ],
    charts: [],
    tables: [
      {
        title: 'In the heap, for each',
        head: ['what', 'bytes'],
        rows:
          memory === undefined
            ? []
            : [
                [`lock held by using, of ${memory.locks}`, memory.using.toFixed(0)],
                [`lock held after acquire, of ${memory.locks}`, memory.acquired.toFixed(0)],
                [`resource waited for, of ${memory.locks}`, memory.waits.toFixed(0)],
                ['subscriptions of the process that waits, on one node', `${memory.subscriptions}`],
              ],
      },
      {
        title: 'One of five nodes hangs, 64 workers',
        head: ['seconds', 'acquisitions', 'a second', 'heap MiB', 'resident MiB'],
        rows: hung.map(({ seconds, acquisitions, rate, heapBytes, residentBytes }) => [
          `${seconds}`,
          acquisitions.toLocaleString('en'),
          rate.toFixed(0),
          mebibytes(heapBytes),
          mebibytes(residentBytes),
        ]),
      },
    ],
  };
}

export function scalingSection(all: readonly QuorumsFigures[]): Section {
  return {
    title: 'Several quorums',
    text: [
      'Resources spread over quorums of five by rendezvous hashing, from one process. All servers share the cores of this machine, ' +
        'so the rate cannot grow here; what a lock costs says what it does elsewhere.',
    ],
    charts: [],
    tables: [
      {
        title: 'What a cycle costs over one quorum and over three',
        head: ['quorums', 'workers', 'cycles/s', 'client µs', 'nodes µs'],
        rows: all.map(({ quorums, workers, figures: { rate = 0, clientUs = 0, serverUs = 0 } }) => [
          `${quorums}`,
          `${workers}`,
          rate.toFixed(0),
          clientUs.toFixed(1),
          serverUs.toFixed(1),
        ]),
      },
      {
        title: `What ${MILLION.toLocaleString('en')} locks a second take, by these costs and with cores busy for ${100 * capacityOf(1, 1).busy} %`,
        head: [
          'measured over',
          'workers',
          'locks/s of a quorum',
          'quorums',
          'cores of servers',
          'cores of clients',
        ],
        rows: all.map(({ quorums, workers, figures: { clientUs = 0, serverUs = 0 } }) => {
          const capacity = capacityOf(clientUs, serverUs);
          return [
            quorums === 1 ? '1 quorum' : `${quorums} quorums`,
            `${workers}`,
            capacity.quorumRate.toFixed(0),
            `${capacity.quorums}`,
            `${capacity.serverCores}`,
            `${capacity.clientCores}`,
          ];
        }),
      },
    ],
  };
}
