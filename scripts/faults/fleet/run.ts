import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { InitializeError, Redlock } from '../../../src/index.ts';
import { onProcessEnd, Watchdog } from '../../fleet/last-resort.ts';
import { Compiled } from '../../support/compiled.ts';
import { nap, now } from '../../support/time.ts';
import { needsProxy, type Terms } from '../plan.ts';
import { type History, readHistory } from '../record.ts';
import { Crew } from './crew.ts';
import { type Incident, Inflictor } from './inflictor.ts';
import { counter } from './load.ts';
import { Masters } from './masters/masters.ts';
import { startServers } from './masters/start.ts';
import { orphansOn } from './orphans.ts';
import { type Stall, watchStalls } from './stalls.ts';
import type { Account } from './store/protocol.ts';
import { Store } from './store/store.ts';
import { planOf, type RunOptions, termsOf } from './terms.ts';
import { judge, type Verdict } from './verdict.ts';
import { type NodeState, Watcher } from './watcher.ts';

const FIRST_GRANT_WITHIN_MS = 15_000;

/** What there is to see while a run goes on. */
export interface SlotStatus {
  readonly sinceMs: number;
  readonly durationMs: number;
  readonly grants: number;
  readonly holders: ReadonlyMap<string, number>;
  readonly incidents: readonly Incident[];
  readonly states: readonly (NodeState | undefined)[];
  readonly ports: readonly number[];
}

/**
 * One run, from starting servers, store and workers to the verdict. When the signal aborts it ends early, and is judged
 * by what there is. Whatever comes, everything it started is gone at its end.
 *
 * @param look hears how to see what goes on, once there is something
 */
export async function runOnFleet(
  options: RunOptions,
  stop: AbortSignal,
  look: (see: () => SlotStatus) => void = () => undefined,
): Promise<Verdict> {
  const terms = termsOf(options);
  await using site = await Site.open(options.seed, terms);
  const { crew } = site;
  const servers = await startServers(options.fleet ?? 'processes', terms.nodes);
  const plan = planOf(options, servers.abilities);
  await using masters = await Masters.of(servers, plan.some(needsProxy));
  const inflictor = new Inflictor(masters, crew, terms);
  await inflictor.setClocks();
  if (terms.quarantine === 'strict') await declareNew(masters.urls, terms);
  await crew.start({ urls: masters.urls, target: await site.target, terms });
  const watcher = new Watcher(masters);
  const watching = new AbortController();
  const stalls: Stall[] = [];
  const watched = Promise.all([
    watcher.run(watching.signal),
    watchStalls((stall) => stalls.push(stall), watching.signal),
  ]);
  await untilFirstGrant(crew, stop);

  const startedAt = now();
  look(() => ({
    sinceMs: now() - startedAt,
    durationMs: terms.durationMs,
    grants: crew.grants,
    holders: crew.holders,
    incidents: inflictor.incidents,
    states: watcher.states,
    ports: servers.servers.map(({ port }) => port),
  }));
  const problems: string[] = [];
  const ending = new AbortController();
  const over = AbortSignal.any([stop, ending.signal]);
  const inflicting = inflictor.run(plan, startedAt, over).catch((error: unknown) => {
    problems.push(`a fault could not be inflicted: ${String(error)}`);
  });
  await nap(terms.durationMs, stop);
  ending.abort();
  await inflicting;
  const endedAt = now();
  await crew.finish();
  watching.abort();
  await watched;
  // Keys expire by the nodes' clocks: those that were set wrong are set right, and then there is nothing left either.
  const atWrongTime = await orphansOn(masters, terms.maxTtl);
  await inflictor.setClocksRight();
  const orphans = atWrongTime.length === 0 ? [] : await orphansOn(masters, terms.maxTtl);
  const history = await readHistory(crew.logs);
  return judge({
    ...{ options, terms, fleet: masters.description, startedAt, endedAt, history, orphans, stalls },
    incidents: inflictor.incidents,
    samples: watcher.samples,
    accounts: await site.accounts(history),
    problems: [...problems, ...crew.problems],
  });
}

/** Faults are to meet a deployment in use. On a busy machine it takes a while until there is one. */
async function untilFirstGrant(crew: Crew, stop: AbortSignal): Promise<void> {
  const deadline = now() + FIRST_GRANT_WITHIN_MS;
  while (crew.grants === 0 && now() < deadline && !stop.aborted) await nap(10, stop);
}

/** Waiting is strict even in a new deployment, unless a client says that it is new. */
async function declareNew(urls: readonly string[], { maxTtl, ttl, quarantine }: Terms): Promise<void> {
  await using redlock = new Redlock(urls, { ttl, maxTtl, quarantine, connectTimeout: 10_000 });
  for (let triesLeft = 20; ; triesLeft -= 1) {
    try {
      await redlock.initialize();
      return;
    } catch (error) {
      if (!(error instanceof InitializeError) || triesLeft === 0) throw error;
      await delay(50);
    }
  }
}

/** The processes and files of a run beside its servers. They never outlive this process. */
class Site implements AsyncDisposable {
  readonly crew: Crew;
  readonly #terms: Terms;
  readonly #store: Store | undefined;
  readonly #counterFile: string;
  readonly #directory: string;
  readonly #watchdog: Watchdog;
  readonly #disarm: () => void;

  private constructor(directory: string, seed: number, terms: Terms, program: string, watchdog: Watchdog) {
    this.#directory = directory;
    this.#terms = terms;
    this.#watchdog = watchdog;
    this.#store = terms.load === 'store' ? new Store(this.#watchdog) : undefined;
    this.#counterFile = join(directory, 'counter');
    counter.create(this.#counterFile);
    this.crew = new Crew(terms.workers, program, directory, seed, this.#watchdog);
    this.#disarm = onProcessEnd(() => {
      this.crew.killAll();
      this.#store?.kill();
      rmSync(directory, { recursive: true, force: true });
      this.#watchdog.kill();
    });
  }

  static async open(seed: number, terms: Terms): Promise<Site> {
    const directory = await mkdtemp(join(tmpdir(), 'quorlock-chaos-'));
    const watchdog = new Watchdog(directory);
    try {
      const { path } = await Compiled.make(new URL('worker.ts', import.meta.url), { parent: directory });
      return new Site(directory, seed, terms, path, watchdog);
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      await watchdog.dismiss();
      throw error;
    }
  }

  /** Where the workers write to. */
  get target(): Promise<string> {
    return this.#store?.url ?? Promise.resolve(this.#counterFile);
  }

  /** What all workers have written. */
  async accounts({ attempts }: History): Promise<readonly Account[]> {
    if (this.#store !== undefined) return this.#store.accounts();
    const writes = attempts.reduce((sum, { grant }) => sum + (grant?.writes.length ?? 0), 0);
    const resource = this.#terms.resources.join(', ');
    const value = counter.read(this.#counterFile);
    return [{ resource, way: 'unguarded', writes, value, outOfOrder: 0, refused: 0 }];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.crew[Symbol.asyncDispose](), this.#store?.[Symbol.asyncDispose]()]);
    await rm(this.#directory, { recursive: true, force: true });
    await this.#watchdog.dismiss();
    this.#disarm();
  }
}
