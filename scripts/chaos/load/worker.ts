// One of the worker processes of a chaos run, started by crew.ts. It does one assignment, and ends by itself when the
// run has gone.
import { inspect } from 'node:util';
import { Redlock } from '../../../src/index.ts';
import { Rng } from '../../../src/testing/rng.ts';
import { nap, now } from '../../support/time.ts';
import { LogFile, type WorkerEvent } from '../log.ts';
import { watchStalls } from '../stalls.ts';
import { StoreClient } from '../store/client.ts';
import { Caller, type Loan, type Surroundings } from './caller.ts';
import type { Assignment, FromWorker, ToWorker } from './messages.ts';
import { probe } from './probe.ts';
import { share } from './sharer.ts';
import { leftovers, vitals } from './vitals.ts';

const VITALS_EVERY_MS = 5_000;

/** How long a caller rests between two turns. */
const PAUSE_MS = [5, 60] as const;

/** The same for one that connects anew for every turn. */
const NEWCOMER_PAUSE_MS = [200, 500] as const;

const finishing = new AbortController();
let working: Promise<readonly string[]> = Promise.resolve([]);

// A Ctrl-C reaches every process of the terminal; whoever started this one decides what comes of it.
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
  const { name, seed, urls, storeUrl, logFile, terms } = assignment;
  using log = new LogFile(logFile);
  const note = (event: WorkerEvent) => log.note(event);
  const problems: string[] = [];
  const connect = () => {
    const { ttl, maxTtl, nodeTimeout, quarantine } = terms;
    const onWarning = ({ code }: { readonly code: string }) => note({ at: now(), kind: 'warned', code });
    return new Redlock(urls, { ttl, maxTtl, nodeTimeout, quarantine, onWarning });
  };
  const redlock = connect();
  {
    using store = new StoreClient(storeUrl);
    const surroundings: Surroundings = {
      store,
      resources: terms.resources,
      ttl: terms.ttl,
      isBrief: terms.isBrief,
      note,
      waiting: () => tell({ kind: 'waiting' }),
      granted: () => tell({ kind: 'granted' }),
      writing: () => tell({ kind: 'writing' }),
    };
    const dice = Rng.ofSeed(seed);
    const shared = (): Loan => ({ redlock, giveBack: async () => undefined });
    const own = (): Loan => {
      const newcomer = connect();
      return { redlock: newcomer, giveBack: () => newcomer.close() };
    };
    const callers = Array.from(
      { length: terms.callersPerWorker },
      (_, index) => new Caller(`${name}${index + 1}`, dice.fork(), shared, PAUSE_MS, surroundings),
    );
    callers.push(new Caller(`${name} newcomer`, dice.fork(), own, NEWCOMER_PAUSE_MS, surroundings));
    const tasks = [
      ...callers.map((caller) => caller.run(finish)),
      probe(`${name} probe`, redlock, note, finish),
      share(`${name} sharer`, redlock, { dice: dice.fork(), ttl: terms.ttl, note }, finish),
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

async function watchVitals(note: (event: WorkerEvent) => void, finish: AbortSignal): Promise<void> {
  while (!finish.aborted) {
    await nap(VITALS_EVERY_MS, finish);
    if (!finish.aborted) note({ at: now(), kind: 'vitals', vitals: vitals() });
  }
}

function tell(message: FromWorker): void {
  // Whoever listens may go at any moment; 'disconnect' then says so, and this message need not.
  process.send?.(message, undefined, {}, () => undefined);
}
