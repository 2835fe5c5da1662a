import { Rng } from '../../../../src/testing/rng.ts';
import { Simulation } from '../../../../src/testing/simulation.ts';
import { contend } from './caller.ts';
import { Faults } from './faults.ts';
import { Ledger } from './ledger.ts';
import type { Program } from './program.ts';
import { CONNECT_TIMEOUT, MAX_TTL, NODE_TIMEOUT, type Terms } from './terms.ts';

/** Within this time every caller comes to an end, and a Redlock closes. */
const LONGEST_MS = 60_000;

/** Subscriptions that no caller needs are ended by then. */
const IDLE_MS = 12_000;

/** Timers of callers themselves are over by then. */
const BRIEFLY_MS = 100;

/** What is kept of a lock, but for its counter and for how many permits there are. */
const OF_LOCKS = /^(lock|quorlock:(queue|sharers|slot:\d+)):/;

/** What a run came to. */
export interface Outcome {
  readonly terms: Terms;
  readonly locks: number;
  readonly handOvers: number;
  readonly faults: readonly string[];
}

/** @param trace hears what happens, a line each */
export async function run(terms: Terms, trace?: (line: string) => void): Promise<Outcome> {
  const rng = Rng.ofSeed(terms.seed ^ 0x1ea5e);
  const { nodes, latency, fencing } = terms;
  const network = { latency, reconnectDelay: 5 };
  const seed = rng.integer(0, 2 ** 32 - 1);
  const simulation = new Simulation({ nodes, seed, network, ...(trace === undefined ? {} : { trace }) });
  const programs: Program[] = [];
  const ledger = new Ledger(simulation, terms, () => {
    faults.stop();
    for (const { machine } of programs) machine.kill();
  });
  const launch = () => {
    const machine = simulation.machine();
    const redlock = machine.redlock({
      quarantine: 'off',
      fencing,
      maxTtl: MAX_TTL,
      ttl: MAX_TTL,
      nodeTimeout: NODE_TIMEOUT,
      connectTimeout: CONNECT_TIMEOUT,
      closeTimeout: 500,
    });
    const program: Program = { machine, redlock, halts: 0, isClosed: false, work: [] };
    programs.push(program);
    for (let index = 1; index <= terms.callers; index += 1) {
      const name = `${machine.name}, caller ${index}`;
      program.work.push(contend({ simulation, program, name, terms, rng: rng.fork(), ledger }));
    }
  };
  for (let count = 0; count < terms.programs; count += 1) launch();
  const faults = new Faults({ simulation, terms, programs, launch }, rng.fork());
  await simulation.advance(terms.lastsMs);
  faults.stop();
  await end(simulation, terms, ledger, programs, faults.longestSetBackMs);
  return { terms, locks: ledger.locks, handOvers: ledger.handOvers, faults: ledger.faults };
}

/** Has everything end, and looks at what is left. */
async function end(
  simulation: Simulation,
  { weather, isClosedAtOnce }: Terms,
  ledger: Ledger,
  programs: readonly Program[],
  setBackMs: number,
): Promise<void> {
  const alive = programs.filter(({ machine }) => machine.state !== 'dead');
  try {
    await simulation.until(Promise.all(alive.flatMap(({ work }) => work)), LONGEST_MS);
  } catch (error) {
    ledger.fault(`callers go on for ever: ${error}`);
  }
  // Where nothing went wrong, nothing has to expire.
  if (isClosedAtOnce && weather === 'quiet' && setBackMs === 0) {
    await simulation.advance(BRIEFLY_MS);
  } else {
    await simulation.advance(2 * MAX_TTL + setBackMs + IDLE_MS);
    lookForKeys(simulation, ledger, 'when no caller wants anything');
    for (const { address, subscriptions } of simulation.nodes) {
      if (subscriptions > 0)
        ledger.fault(`${address} has ${subscriptions} subscriptions that no caller needs`);
    }
  }
  await simulation.until(Promise.all(alive.map(({ redlock }) => redlock.close())), LONGEST_MS);
  lookForKeys(simulation, ledger, 'when all is closed');
  for (const { machine } of alive) {
    const { pendingTimers } = machine.clock;
    if (pendingTimers > 0) ledger.fault(`${machine.name} has ${pendingTimers} timers left`);
  }
  ledger.conclude();
}

function lookForKeys({ nodes }: Simulation, ledger: Ledger, when: string): void {
  for (const { address, store } of nodes) {
    const keys = store.keys().filter((key) => OF_LOCKS.test(key));
    if (keys.length > 0) ledger.fault(`${address} has ${keys.join(', ')} ${when}`);
  }
}
