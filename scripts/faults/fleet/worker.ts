// A worker process of a run on real servers, started by crew.ts. It ends by itself when the run has gone.
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Redlock } from '../../../src/index.ts';
import { Rng } from '../../../src/testing/rng.ts';
import { sendCommand } from '../../fleet/resp.ts';
import { nap, now } from '../../support/time.ts';
import { Caller, type Loan, type Site } from '../caller.ts';
import { flawed, type Means } from '../defects.ts';
import { LogFile, type WorkerEvent } from '../record.ts';
import { type Assignment, callersOf, countingIn, type FromWorker, type ToWorker, writingTo } from './load.ts';
import { watchStalls } from './stalls.ts';
import { StoreClient } from './store/client.ts';
import { leftovers, vitals } from './vitals.ts';

const VITALS_EVERY_MS = 5_000;

const KEPT_WITHIN_MS = 5_000;

/** A caller that has not come to an end so long after all should have is left: its call never ended. */
const LEFT_AFTER_MS = 10_000;

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
  const means: Means = {
    after: (ms, happen) => setTimeout(happen, ms),
    keep: (key) => {
      const [{ port } = { port: '' }] = urls.map((url) => new URL(url));
      sendCommand(Number(port), ['SET', key, name], KEPT_WITHIN_MS).catch((error: unknown) => {
        problems.push(`no key was kept: ${String(error)}`);
      });
    },
  };
  const connect = () => {
    const onWarning = ({ code }: { readonly code: string }) => note({ at: now(), kind: 'warned', code });
    const redlock = new Redlock(urls, { ttl, maxTtl, nodeTimeout, quarantine, onWarning });
    return flawed(redlock, terms.defects, means);
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
    const ended = Promise.all(
      tasks.map((task) =>
        task.catch((error: unknown) => {
          problems.push(`${name} failed: ${inspect(error)}`);
        }),
      ),
    );
    if (!finish.aborted) await once(finish, 'abort');
    await Promise.race([ended, delay(LEFT_AFTER_MS, undefined, { ref: false })]);
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
