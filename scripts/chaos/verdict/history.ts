import type { Occupancy } from '../../../src/testing/checkers/over-admission.ts';
import type { Section } from '../../support/sections.ts';
import { readLog, type Use, type Vitals, type Way, type WorkerEvent, type Write } from '../log.ts';

/** Everything that is known of one attempt to get a lock, and of the lock. Moments as in scripts/support/time.ts. */
export interface Attempt {
  /** The process: its place in the crew, and its number. */
  readonly worker: string;
  readonly caller: string;
  readonly resources: readonly string[];
  readonly way: Way;
  readonly use: Use;
  readonly waitTime: number;
  readonly askedAt: number;
  /** When it was granted or refused; undefined if neither was ever noted. */
  settledAt: number | undefined;
  /** Why it was refused. */
  refusal: string | undefined;
  /** The same in all its words. */
  why: string | undefined;
  grant: Grant | undefined;
}

export interface Grant {
  readonly token: number;
  readonly lease: string;
  readonly at: number;
  acted: { readonly first: number; readonly last: number } | undefined;
  /** Until when the lock was valid by what it said itself when it was last asked, or until its release. */
  validUntil: number;
  /** When the holder was done: `given back`, `not freed` by a majority, or an error's code; undefined if it never noted that. */
  ended: { readonly at: number; readonly how: string } | undefined;
  readonly writes: { readonly at: number; readonly guarded: Write; readonly unguarded: Write }[];
}

/** One worker process, from its first event to its last. */
interface WorkerHistory {
  readonly worker: string;
  readonly vitals: readonly { readonly at: number; readonly vitals: Vitals }[];
  readonly stalls: readonly { readonly from: number; readonly to: number }[];
  /** What was left when it had closed everything; undefined if it never came to that. */
  readonly left: readonly string[] | undefined;
  readonly warnings: ReadonlyMap<string, number>;
  readonly lastAt: number;
}

/** All that the workers noted down, put together. */
export interface History {
  readonly attempts: readonly Attempt[];
  readonly workers: readonly WorkerHistory[];
}

/** Reads the logs of all workers; by name. */
export async function readHistory(logs: ReadonlyMap<string, string>): Promise<History> {
  const all = await Promise.all([...logs].map(([worker, path]) => readWorker(worker, path)));
  return {
    attempts: all.flatMap(({ attempts }) => attempts).sort((a, b) => a.askedAt - b.askedAt),
    workers: all.map(({ worker }) => worker),
  };
}

async function readWorker(worker: string, path: string) {
  const attempts = new Map<number, Attempt>();
  const vitals: { at: number; vitals: Vitals }[] = [];
  const stalls: { from: number; to: number }[] = [];
  const warnings = new Map<string, number>();
  let left: readonly string[] | undefined;
  let lastAt = Number.NEGATIVE_INFINITY;
  for await (const event of readLog(path)) {
    lastAt = event.at;
    if (event.kind === 'asked') attempts.set(event.id, begun(worker, event));
    else if (event.kind === 'vitals') vitals.push({ at: event.at, vitals: event.vitals });
    else if (event.kind === 'stalled') stalls.push({ from: event.at - event.forMs, to: event.at });
    else if (event.kind === 'warned') warnings.set(event.code, (warnings.get(event.code) ?? 0) + 1);
    else if (event.kind === 'closed') left = event.left;
    else {
      const attempt = attempts.get(event.id);
      if (attempt !== undefined) apply(attempt, event);
    }
  }
  return {
    attempts: [...attempts.values()],
    worker: { worker, vitals, stalls, left, warnings, lastAt },
  };
}

type OfKind<Kind extends WorkerEvent['kind']> = Extract<WorkerEvent, { readonly kind: Kind }>;

function begun(
  worker: string,
  { at, caller, resources, way, use = 'alone', waitTime }: OfKind<'asked'>,
): Attempt {
  return {
    worker,
    caller,
    resources,
    way,
    use,
    waitTime,
    askedAt: at,
    settledAt: undefined,
    refusal: undefined,
    why: undefined,
    grant: undefined,
  };
}

type OfAttempt = OfKind<
  'refused' | 'granted' | 'acted' | 'extended' | 'not extended' | 'wrote' | 'lost' | 'done' | 'released'
>;

function apply(attempt: Attempt, event: OfAttempt): void {
  const { at } = event;
  if (event.kind === 'refused') {
    attempt.settledAt = at;
    attempt.refusal = event.code;
    attempt.why = event.why;
    return;
  }
  if (event.kind === 'granted') {
    attempt.settledAt = at;
    const { token, lease, validUntil } = event;
    attempt.grant = { token, lease, at, acted: undefined, validUntil, ended: undefined, writes: [] };
    return;
  }
  const { grant } = attempt;
  if (grant === undefined) return;
  switch (event.kind) {
    case 'acted':
      grant.acted = { first: grant.acted?.first ?? at, last: at };
      grant.validUntil = event.validUntil;
      break;
    case 'extended':
      grant.validUntil = Math.max(grant.validUntil, event.validUntil);
      break;
    case 'wrote':
      grant.writes.push({ at, guarded: event.guarded, unguarded: event.unguarded });
      break;
    case 'lost':
      grant.ended = { at: grant.ended?.at ?? at, how: event.code };
      break;
    case 'done':
      grant.validUntil = Math.min(grant.validUntil, at);
      grant.ended = { at, how: 'given back' };
      break;
    case 'released':
      if (!event.freed && grant.ended !== undefined) grant.ended = { ...grant.ended, how: 'not freed' };
      break;
    case 'not extended':
      break;
  }
}

/** Permits that were valid, for the checkers that they share with the simulation. */
export function occupanciesOf({ attempts }: History): readonly Occupancy[] {
  return attempts.flatMap(({ caller, use, grant }) =>
    grant === undefined || use !== 'permit'
      ? []
      : [{ holder: caller, token: grant.token, from: grant.at, to: Math.max(grant.at, grant.validUntil) }],
  );
}

/**
 * Locks, for the same checkers. The tokens of permits have no order among each other.
 *
 * @param tokensGrow `in real time`, or `with leases`: where clocks may be wrong, a token that was handed over is as old as its
 *   lease
 */
export function sectionsOf(
  { attempts }: History,
  tokensGrow: 'in real time' | 'with leases',
): readonly Section[] {
  const begun = new Map<string, number>();
  for (const { grant } of attempts) {
    if (grant === undefined) continue;
    begun.set(grant.lease, Math.min(grant.at, begun.get(grant.lease) ?? grant.at));
  }
  const leasedAt = ({ lease, at }: Grant) => (tokensGrow === 'in real time' ? at : (begun.get(lease) ?? at));
  return attempts.flatMap(({ caller, resources, use, askedAt, grant }) =>
    grant === undefined || use === 'permit'
      ? []
      : [
          {
            caller,
            resources,
            isShared: use === 'read',
            token: grant.token,
            requestedAt: Math.min(askedAt, leasedAt(grant)),
            grantedAt: grant.at,
            acted: grant.acted,
            validUntil: grant.validUntil,
          },
        ],
  );
}
