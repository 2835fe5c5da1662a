import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import { Simulation } from '../../src/testing/index.ts';

/** What one call makes run, without the simulator. */
interface Entered {
  readonly files: number;
  readonly functions: number;
}

/** Both ways of an uncontended lock. */
export interface EnteredByLock {
  readonly acquire: Entered;
  readonly release: Entered;
}

/** Until then the first lock's own work is done: scripts are loaded, clocks are known, markers are read. */
const WARM_UP_CYCLES = 5;

const BETWEEN_MS = 1_000;

/** Functions that no source file has: tsx adds one to each file, and V8 adds one that sets the fields of an object. */
const ADDED = new Set(['__name', '<instance_members_initializer>', '<static_initializer>']);

/** Counts the files and functions of src that an acquire and a release run, on one node, where no caller waits. */
export async function entered(): Promise<EnteredByLock> {
  const simulation = new Simulation({ nodes: 1 });
  const redlock = simulation.machine().redlock();
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  const during = async <Result>(call: () => Promise<Result>): Promise<[Result, Entered]> => {
    await session.post('Profiler.takePreciseCoverage');
    const result = await simulation.until(call());
    const coverage = await session.post('Profiler.takePreciseCoverage');
    return [result, countEntered(coverage.result)];
  };
  for (let cycle = 0; cycle < WARM_UP_CYCLES; cycle += 1) {
    const lock = await simulation.until(redlock.acquire('resource'));
    await simulation.until(lock.release());
    await simulation.advance(BETWEEN_MS);
  }
  const [lock, acquire] = await during(() => redlock.acquire('resource'));
  const [, release] = await during(() => lock.release());
  session.disconnect();
  await simulation.until(redlock.close());
  return { acquire, release };
}

function countEntered(scripts: readonly Profiler.ScriptCoverage[]): Entered {
  let files = 0;
  let functions = 0;
  for (const { url, functions: all } of scripts) {
    if (!/\/src\/(?!testing\/)/.test(url) || url.includes('/node_modules/')) continue;
    const count = all.filter(isEntered).length;
    if (count > 0) files += 1;
    functions += count;
  }
  return { files, functions };
}

function isEntered({ functionName, ranges }: Profiler.FunctionCoverage): boolean {
  return !ADDED.has(functionName) && (ranges[0]?.count ?? 0) > 0;
}
