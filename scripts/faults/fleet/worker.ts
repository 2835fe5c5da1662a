// A worker process of a run on real servers, started by crew.ts. It ends by itself when the run has gone.
import { inspect } from 'node:util';
import { Redlock } from '../../../src/index.ts';
import { Rng } from '../../../src/testing/rng.ts';
import { nap, now } from '../../support/time.ts';
import { Caller, type Loan, type Site } from '../caller.ts';
import { LogFile, type WorkerEvent } from '../record.ts';
import {
  type Assignment,
  callersOf,
  countingIn,
  type FromWorker,
  type ToWorker,
  withoutLock,
  writingTo,
} from './load.ts';
import { watchStalls } from './stalls.ts';
import { StoreClient } from './store/client.ts';
import { leftovers, vitals } from './vitals.ts';

const VITALS_EVERY_MS = 5_000;

const finishing = new AbortController();
let working: Promise<readonly string[]> = Promise.resolve([]);

// A Ctrl-C reaches every process of the terminal; the run decides what comes of it.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit());
process.on('message', (message: ToWorker) => {
  if (message.kind === 'start') {
    working = work(message.assignment, finishing.signal);
  } else {
    finishing.abort();
    void working.then((problems) => tell({ kind: 'finished', problems }));
  }
});
tell({ kind: 'loaded' });

async function work(assignment: Assignment, finish: AbortSignal): Promise<readonly string[]> {
  const { name, seed, urls, logFile, terms } = assignment;
  using log = new LogFile(logFile);
  const note = (event: WorkerEvent) => log.note(event);
  const problems: string[] = [];
  const { ttl, maxTtl, nodeTimeout, quarantine } = terms;
  const connect = () => {
    if (terms.load === 'file, no lock') return withoutLock();
    const onWarning = ({ code }: { readonly code: string }) => note({ at: now(), kind: 'warned', code });
    return new Redlock(urls, { ttl, maxTtl, nodeTimeout, quarantine, onWarning });
  };
  const redlock = connect();
  const own = (): Loan => {
    const newcomer = connect();
    return { redlock: newcomer, giveBack: () => newcomer.close() };
  };
  {
    using store = new StoreClient(assignment.target);
    const site: Site = {
      stop: finish,
      isOver: () => finish.aborted,
      now,
      sleep: (ms) => nap(ms, finish),
      note,
      remainingMs: (lock) => lock.remainingValidity(),
      seen: (kind, caller) => tell({ kind, caller }),
      work: workOf(assignment, store),
    };
    const dice = Rng.ofSeed(seed);
    const callers = callersOf(name, terms).map(
      (each) =>
        new Caller(
          each.name,
          dice.fork(),
          each.isNewcomer === true ? own : () => ({ redlock }),
          each.habits,
          site,
        ),
    );
    const tasks = [
      ...callers.map((caller) => caller.run()),
      watchVitals(note, finish),
      watchStalls(({ from, to }) => note({ at: to, kind: 'stalled', forMs: to - from }), finish),
    ];
    await Promise.all(
      tasks.map((task) =>
        task.catch((error: unknown) => {
          problems.push(`${name} failed: ${inspect(error)}`);
        }),
      ),
    );
    await redlock.close();
  }
  note({ at: now(), kind: 'closed', left: await leftovers() });
  return problems;
}

function workOf({ target, terms: { load } }: Assignment, store: StoreClient): NonNullable<Site['work']> {
  if (load === 'store') return writingTo(store, (kind) => tell({ kind }));
  if (load !== 'checks') return countingIn(target);
  return async (notes) => {
    notes.act();
    tell({ kind: 'writing' });
  };
}

async function watchVitals(note: (event: WorkerEvent) => void, finish: AbortSignal): Promise<void> {
  while (!finish.aborted) {
    await nap(VITALS_EVERY_MS, finish);
    if (!finish.aborted) note({ at: now(), kind: 'vitals', vitals: vitals() });
  }
}

function tell(message: FromWorker): void {
  // The run may go at any moment; 'disconnect' then says so, and this message need not.
  process.send?.(message, undefined, {}, () => undefined);
}
