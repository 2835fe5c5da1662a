import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Fleet } from '../fleet/fleet.ts';
import { nap } from '../support/time.ts';
import type { DemoArguments } from './arguments.ts';
import { Crew } from './crew.ts';
import { Faults } from './faults.ts';
import { readJournal } from './journal.ts';
import { ledgerOf } from './ledger.ts';
import { openScreen } from './screen.ts';
import { CALLERS_PER_WORKER, NODE_COUNT, TTL_MS, WORKER_COUNT } from './settings.ts';
import { SharedCounter } from './shared-counter.ts';
import { Tally } from './tally.ts';
import { judge, type Verdict } from './verdict.ts';

/**
 * One run, from starting servers and workers to the verdict. Whatever comes, it ends, and then everything that it
 * started is gone.
 */
export async function run(
  { seconds, locking }: DemoArguments,
  interrupt: AbortSignal,
  output: NodeJS.WriteStream,
): Promise<Verdict> {
  await using fleet = await Fleet.start(NODE_COUNT);
  // Inside the fleet's directory, which goes away with it even if this process is killed.
  const directory = join(fleet.directory, 'demo');
  await mkdir(directory);
  const counterFile = join(directory, 'counter');
  const counter = SharedCounter.create(counterFile);
  const journalFiles = Array.from({ length: WORKER_COUNT }, (_, index) =>
    join(directory, `worker-${index + 1}`),
  );

  const ports = fleet.nodes.map(({ port }) => port).join(', ');
  output.write(
    `${NODE_COUNT} masters on ports ${ports}\n` +
      `${WORKER_COUNT} processes of ${CALLERS_PER_WORKER} callers, ` +
      `${locking ? `one lock with a ttl of ${TTL_MS} ms` : 'and no lock'}, for ${seconds} s\n\n`,
  );

  const ending = new AbortController();
  const stop = AbortSignal.any([interrupt, ending.signal]);
  const problems: string[] = [];
  const tally = new Tally();
  const crew = new Crew(
    journalFiles,
    (event) => tally.note(event),
    () => ending.abort(),
  );
  await crew.loaded(stop);
  const screen = openScreen({ seconds, locking, nodes: fleet.nodes, tally }, output);
  const faults = new Faults(fleet.nodes, (what) => screen.note(what));
  try {
    crew.start({ urls: fleet.urls, counterFile, locking });
    void nap(seconds * 1_000, stop).then(() => ending.abort());
    await faults.run(stop);
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    ending.abort();
    await crew.stop();
    screen.stop();
  }
  return judge({
    locking,
    ledger: ledgerOf(journalFiles.map(readJournal)),
    finalCount: counter.read(),
    killed: faults.killed,
    paused: faults.paused,
    problems: [...crew.problems, ...problems],
  });
}
