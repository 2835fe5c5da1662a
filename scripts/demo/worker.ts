// One of the demo's worker processes, started by crew.ts. It ends by itself when it was told to stop, and also
// when the demo has gone without a word.
import { throughLock, withoutLock } from './access.ts';
import { Caller } from './caller.ts';
import type { FromWorker, ToWorker, WorkerEvent } from './events.ts';
import { Journal } from './journal.ts';
import { CALLERS_PER_WORKER } from './settings.ts';
import { SharedCounter } from './shared-counter.ts';

type Task = Extract<ToWorker, { kind: 'start' }>;

const stopping = new AbortController();
let working: Promise<void> = Promise.resolve();

// A Ctrl-C reaches every process of the terminal; the demo decides what comes of it.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => stopping.abort());
process.on('message', (message: ToWorker) => {
  if (message.kind === 'start') working = work(message);
  else void end();
});
tell({ kind: 'loaded' });

/** What keeps this process alive is its work and the channel to the demo. */
async function end(): Promise<void> {
  stopping.abort();
  await working;
  if (process.connected) process.disconnect();
}

async function work(task: Task): Promise<void> {
  const access = task.locking ? throughLock(task.urls) : withoutLock();
  const journal = new Journal(task.journalFile);
  const surroundings = {
    access,
    counter: new SharedCounter(task.counterFile),
    note: (event: WorkerEvent) => {
      journal.note(event);
      tell(event);
    },
  };
  const callers = Array.from(
    { length: CALLERS_PER_WORKER },
    (_, index) => new Caller(`${task.name}, caller ${index + 1}`, surroundings),
  );
  await Promise.all(callers.map((caller) => caller.run(stopping.signal)));
  await access.close();
  journal.close();
}

function tell(message: FromWorker): void {
  // The demo may go at any moment; 'disconnect' then says so, and this message need not.
  process.send?.(message, undefined, {}, () => undefined);
}
