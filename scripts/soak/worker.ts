// One of the worker processes of the safety test, started by staff.ts. It takes part in one run after another, and
// ends by itself when the test has gone.
import { inspect } from 'node:util';
import { Redlock } from '../../src/index.ts';
import { Rng } from '../../src/testing/rng.ts';
import type { Section } from '../support/sections.ts';
import { Caller } from './caller.ts';
import type { Assignment, FromWorker, Report, ToWorker } from './messages.ts';

let finishing = new AbortController();
let working: Promise<Report> | undefined;

// A Ctrl-C reaches every process of the terminal; whoever started this one decides what comes of it.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit());
process.on('message', (message: ToWorker) => {
  if (message.kind === 'start') {
    finishing = new AbortController();
    working = work(message.assignment, finishing.signal);
  } else {
    finishing.abort();
    void working?.then((report) => tell({ kind: 'finished', report }));
  }
});
tell({ kind: 'loaded' });

async function work({ name, seed, urls, terms }: Assignment, finish: AbortSignal): Promise<Report> {
  const { ttl, maxTtl, nodeTimeout, quarantine, resources, callersPerWorker } = terms;
  const counts: Record<string, number> = {};
  const count = (what: string) => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  const sections: Section[] = [];
  const problems: string[] = [];
  const redlock = new Redlock(urls, {
    ttl,
    maxTtl,
    nodeTimeout,
    quarantine,
    onWarning: ({ code }) => count(code),
  });
  const surroundings = {
    redlock,
    resources,
    ttl,
    granted: () => tell({ kind: 'granted' }),
    ended: (section: Section) => sections.push(section),
    failed: ({ code }: { readonly code: string }) => count(code),
  };
  const dice = Rng.ofSeed(seed);
  const callers = Array.from(
    { length: callersPerWorker },
    (_, index) => new Caller(`${name}${index + 1}`, dice.fork(), surroundings),
  );
  await Promise.all(
    callers.map((caller) =>
      caller.run(finish).catch((error: unknown) => {
        problems.push(`a caller failed: ${inspect(error)}`);
      }),
    ),
  );
  await redlock.close();
  return { sections, counts, problems };
}

function tell(message: FromWorker): void {
  // Whoever listens may go at any moment; 'disconnect' then says so, and this message need not.
  process.send?.(message, undefined, {}, () => undefined);
}
