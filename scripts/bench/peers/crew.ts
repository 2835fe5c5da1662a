import { setTimeout } from 'node:timers/promises';
import { TTL_MS } from '../../../bench/peers/peer.ts';
import type { FromWorker, HoardTerms, ToWorker } from '../../../bench/worker/protocol.ts';
import { WorkerError, WorkerProcess } from '../../fleet/worker-process.ts';
import type { Variant } from './variants.ts';

const LOADED_WITHIN_MS = 20_000;

/** From the order to begin until all begin, in milliseconds: by then every process has heard of it. */
const NOTICE_MS = 50;

/** What an answer may take beyond what was asked for, in milliseconds: the machine is busy. */
const GRACE_MS = 10_000;

type Member = WorkerProcess<ToWorker, FromWorker>;
/** What a process answers to a message of some kind. */
type Answer<Kind extends FromWorker['kind']> = Extract<FromWorker, { kind: Kind }>;

/** Processes that run one library's contenders. All are told the same, and begin at the same moment. */
export class Crew implements AsyncDisposable {
  readonly #members: readonly Member[];

  private constructor(members: readonly Member[]) {
    this.#members = members;
  }

  /**
   * Resolves when every process has loaded the library, connected to all nodes and warmed up.
   *
   * @param program the compiled code of the processes
   * @throws {WorkerError}
   */
  static async start(
    program: string,
    processes: number,
    { peer, settings }: Variant,
    urls: readonly string[],
  ): Promise<Crew> {
    const crew = new Crew(Array.from({ length: processes }, () => new WorkerProcess({ program })));
    try {
      await crew.#tell({ kind: 'load', peer, settings, urls }, 'loaded', LOADED_WITHIN_MS);
      return crew;
    } catch (error) {
      await crew[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Contenders ask again and again. @throws {WorkerError} */
  run(terms: { resource: string; contenders: number; warmUpMs: number; measuredMs: number }) {
    const withinMs = terms.warmUpMs + terms.measuredMs + GRACE_MS;
    return this.#tell({ kind: 'run', startAt: inAMoment(), ...terms }, 'run', withinMs);
  }

  /** Contenders ask once each. @throws {WorkerError} */
  burst(terms: { resource: string; contenders: number; limitMs: number }) {
    return this.#tell({ kind: 'burst', startAt: inAMoment(), ...terms }, 'burst', terms.limitMs + GRACE_MS);
  }

  /** The first process takes a lock, all others ask for it, and the first is killed. @throws {WorkerError} */
  async orphan(
    resource: string,
    ttl: number,
    killed: () => Promise<void>,
  ): Promise<{ heldUntil: bigint; reports: readonly Answer<'burst'>[]; startAt: bigint }> {
    const [holder, ...others] = this.#members;
    if (holder === undefined) throw new WorkerError('there is no process');
    const { askedAt } = await ask(holder, { kind: 'hold', resource, ttl }, 'hold', GRACE_MS);
    const startAt = inAMoment();
    const terms = { kind: 'burst', startAt, resource, contenders: 1, limitMs: ttl + GRACE_MS } as const;
    const waiting = others.map((member) => ask(member, terms, 'burst', ttl + 2 * GRACE_MS));
    await setTimeout(ttl / 2);
    holder.kill();
    await killed();
    return { heldUntil: askedAt + BigInt(ttl) * 1_000_000n, reports: await Promise.all(waiting), startAt };
  }

  /**
   * The first process's workers take and give back locks of their own. A key that a release has left behind is waited for:
   * that belongs to what is measured.
   *
   * @throws {WorkerError}
   */
  async cycles(resource: string, workers: number, durationMs: number): Promise<Answer<'cycles'>> {
    const message = { kind: 'cycles', resource, workers, durationMs } as const;
    return await ask(this.#first(), message, 'cycles', durationMs + TTL_MS + GRACE_MS);
  }

  /** What an undisturbed acquire takes, in milliseconds each. @throws {WorkerError} */
  async alone(resource: string, durationMs: number): Promise<readonly number[]> {
    const message = { kind: 'alone', resource, durationMs } as const;
    return (await ask(this.#first(), message, 'alone', durationMs + GRACE_MS)).acquireMs;
  }

  /** The first process takes locks that it keeps, until it has `count`. @throws {WorkerError} */
  async hoard(terms: HoardTerms & { withinMs: number }): Promise<void> {
    await ask(this.#first(), { kind: 'hoard', ...terms }, 'hoard', terms.withinMs);
  }

  /** Of the first process, after a collection. @throws {WorkerError} */
  async heap(): Promise<Answer<'heap'>> {
    return await ask(this.#first(), { kind: 'heap' }, 'heap', GRACE_MS);
  }

  /** Resolves when all processes have gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map((member) => member.end()));
  }

  #first(): Member {
    const [first] = this.#members;
    if (first === undefined) throw new WorkerError('there is no process');
    return first;
  }

  #tell<Kind extends FromWorker['kind']>(
    message: ToWorker,
    kind: Kind,
    withinMs: number,
  ): Promise<readonly Answer<Kind>[]> {
    return Promise.all(this.#members.map((member) => ask(member, message, kind, withinMs)));
  }
}

function ask<Kind extends FromWorker['kind']>(
  member: Member,
  message: ToWorker,
  kind: Kind,
  withinMs: number,
): Promise<Answer<Kind>> {
  const answer = member.expect(kind, withinMs);
  member.tell(message);
  return answer;
}

function inAMoment(): bigint {
  return process.hrtime.bigint() + BigInt(NOTICE_MS) * 1_000_000n;
}
