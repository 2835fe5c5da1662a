import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import type { Fleet } from '../../scripts/fleet/fleet.ts';
import { scriptCallsDuring } from '../../scripts/fleet/server-calls.ts';
import type { ContentionReport, ContentionTerms } from '../support/contending-process.ts';
import { startDeployment } from '../support/deployment.ts';
import { expectNoKeys } from '../support/lock-keys.ts';

const PROCESSES = 4;
const CALLERS = 32;
const RUN_MS = 10_000;

/** A livelock by one's own keys let through fewer than this, in all processes together, in the same time … */
const LIVELOCKED_ACQUISITIONS = 27;

/** … and took thousands of calls of each node for each of them. */
const MOST_CALLS_EACH = 500;

const PROGRAM = fileURLToPath(new URL('../support/contending-process.ts', import.meta.url));

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startDeployment(5);
});
afterAll(() => fleet.stop());

it(`${PROCESSES} processes × ${CALLERS} callers: every attempt ends, and none starves by its own keys`, async () => {
  const least = LIVELOCKED_ACQUISITIONS + 1;
  const terms = { urls: fleet.urls, resource: 'contended', callers: CALLERS, runMs: RUN_MS, least };
  const children = Array.from({ length: PROCESSES }, startProcess);
  await Promise.all(children.map((child) => once(child, 'spawn')));

  let reports: readonly ContentionReport[] = [];
  const calls = await scriptCallsDuring(fleet, async () => {
    reports = await Promise.all(children.map((child) => run(child, terms)));
  });

  const total = reports.reduce((sum, { acquired }) => sum + acquired, 0);
  const timedOut = reports.reduce((sum, report) => sum + report.timedOut, 0);
  console.info(
    `${total} acquisitions with ${Math.round(Math.max(...calls) / total)} calls of a node each, by process ` +
      `${reports.map(({ acquired }) => acquired).join(' ')}, ${timedOut} waits timed out`,
  );
  const failures = reports.flatMap((report) => report.failures);
  expect(failures, failures[0]).toEqual([]);
  for (const { attempts, acquired, timedOut, overlaps } of reports) {
    expect(acquired + timedOut).toBe(attempts);
    expect(acquired).toBeGreaterThan(LIVELOCKED_ACQUISITIONS);
    expect(overlaps).toBe(0);
  }
  for (const each of calls) expect(each / total).toBeLessThan(MOST_CALLS_EACH);
  await expectNoKeys(fleet);
});

function startProcess(): ChildProcess {
  const child = fork(PROGRAM, { execArgv: ['--import', 'tsx'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

/** Resolves once the process has reported and, with nothing left to do, ended by itself. */
async function run(child: ChildProcess, terms: ContentionTerms): Promise<ContentionReport> {
  const reported = once(child, 'message');
  const exited = once(child, 'exit');
  child.send(terms);
  const [report] = await Promise.race([
    reported,
    exited.then(([code, signal]) => {
      throw new Error(`a contending process ended without a report: ${code ?? signal}`);
    }),
  ]);
  expect(await exited).toEqual([0, null]);
  return report;
}
