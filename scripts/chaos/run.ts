import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onProcessEnd, Watchdog } from '../fleet/last-resort.ts';
import { Compiled } from '../support/compiled.ts';
import { nap, now } from '../support/time.ts';
import { type Incident, Inflictor } from './faults/inflictor.ts';
import { Crew } from './load/crew.ts';
import { Masters } from './masters/masters.ts';
import { startServers } from './masters/start.ts';
import { orphansOn } from './orphans.ts';
import { type Stall, watchStalls } from './stalls.ts';
import { Store } from './store/store.ts';
import { durationOf, lockTermsOf, NODE_COUNT, planOf, type RunOptions, WORKER_COUNT } from './terms.ts';
import { readHistory } from './verdict/history.ts';
import { judge, type Verdict } from './verdict/verdict.ts';
import { type NodeState, Watcher } from './watcher.ts';

const FIRST_GRANT_WITHIN_MS = 15_000;

/** What there is to see while a run goes on. */
export interface SlotStatus {
  readonly sinceMs: number;
  readonly durationMs: number;
  readonly grants: number;
  readonly incidents: readonly Incident[];
  readonly states: readonly (NodeState | undefined)[];
}

/**
 * One run, from starting servers, store and workers to the verdict. When the signal aborts it ends early, and is judged
 * by what there is. Whatever comes, everything it started is gone at its end.
 *
 * @param look hears how to see what goes on, once there is something
 */
export async function runChaos(
  options: RunOptions,
  stop: AbortSignal,
  look: (see: () => SlotStatus) => void = () => undefined,
): Promise<Verdict> {
  await using site = await Site.open(options.seed);
  const { crew, store } = site;
  const servers = await startServers(options.fleet ?? 'processes', NODE_COUNT);
  await using masters = await Masters.of(servers);
  await crew.start({ urls: masters.urls, storeUrl: await store.url, terms: lockTermsOf(options) });
  const watcher = new Watcher(masters);
  const watching = new AbortController();
  const stalls: Stall[] = [];
  const watched = Promise.all([
    watcher.run(watching.signal),
    watchStalls((stall) => stalls.push(stall), watching.signal),
  ]);
  await untilFirstGrant(crew, stop);

  const startedAt = now();
  const durationMs = durationOf(options);
  const inflictor = new Inflictor(masters, crew);
  look(() => ({
    sinceMs: now() - startedAt,
    durationMs,
    grants: crew.grants,
    incidents: inflictor.incidents,
    states: watcher.states,
  }));
  const problems: string[] = [];
  const ending = new AbortController();
  const over = AbortSignal.any([stop, ending.signal]);
  const inflicting = inflictor
    .run(planOf(options, masters.abilities), startedAt, over)
    .catch((error: unknown) => {
      problems.push(`a fault could not be inflicted: ${String(error)}`);
    });
  await nap(durationMs, stop);
  ending.abort();
  await inflicting;
  const endedAt = now();
  await crew.finish();
  watching.abort();
  await watched;
  // A key expires by the clock that it was set by. Where one went back meanwhile, that is after it is right again.
  const atWrongTime = await orphansOn(masters);
  await inflictor.setClocksRight();
  const orphans = atWrongTime.length === 0 ? [] : await orphansOn(masters);
  return judge({
    options,
    fleet: masters.description,
    startedAt,
    endedAt,
    history: await readHistory(crew.logs),
    incidents: inflictor.incidents,
    samples: watcher.samples,
    accounts: await store.accounts(),
    orphans,
    stalls,
    problems: [...problems, ...crew.problems],
  });
}

/** Faults are to meet a deployment in use. On a busy machine it takes a while until there is one. */
async function untilFirstGrant(crew: Crew, stop: AbortSignal): Promise<void> {
  const deadline = now() + FIRST_GRANT_WITHIN_MS;
  while (crew.grants === 0 && now() < deadline && !stop.aborted) await nap(10, stop);
}

/** The processes and files of a run beside its servers. They never outlive this process. */
class Site implements AsyncDisposable {
  readonly crew: Crew;
  readonly store: Store;
  readonly #directory: string;
  readonly #program: Compiled;
  readonly #watchdog: Watchdog;
  readonly #disarm: () => void;

  private constructor(directory: string, seed: number, program: Compiled) {
    this.#directory = directory;
    this.#program = program;
    this.#watchdog = new Watchdog(directory);
    this.store = new Store(this.#watchdog);
    this.crew = new Crew(WORKER_COUNT, program.path, directory, seed, this.#watchdog);
    this.#disarm = onProcessEnd(() => {
      this.crew.killAll();
      this.store.kill();
      rmSync(directory, { recursive: true, force: true });
      this.#program[Symbol.dispose]();
      this.#watchdog.kill();
    });
  }

  static async open(seed: number): Promise<Site> {
    const program = await Compiled.make(new URL('load/worker.ts', import.meta.url));
    return new Site(await mkdtemp(join(tmpdir(), 'quorlock-chaos-')), seed, program);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.crew[Symbol.asyncDispose](), this.store[Symbol.asyncDispose]()]);
    await rm(this.#directory, { recursive: true, force: true });
    this.#program[Symbol.dispose]();
    await this.#watchdog.dismiss();
    this.#disarm();
  }
}
