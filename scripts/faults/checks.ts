import {
  findOverAdmissions,
  type Occupancy,
  type OverAdmission,
} from '../../src/testing/checkers/over-admission.ts';
import { findOverlaps, type Overlap, type SharedInterval } from '../../src/testing/checkers/overlaps.ts';
import {
  findTokenFaults,
  type Grant as Granted,
  type TokenFault,
} from '../../src/testing/checkers/tokens.ts';
import type { Attempt, Grant } from './record.ts';

/** An extension that came through although a later lock had been granted before it was asked for. */
interface LateExtension {
  readonly holder: string;
  readonly token: number;
  readonly askedAt: number;
  readonly later: Granted;
}

/** What a holder did, or might have done. Locks that were handed over inside of a process are of one lease. */
export interface HeldInterval extends SharedInterval {
  readonly lease: string;
}

/** What the checkers find in what callers did, all resources together. */
export interface Checks {
  /** Holders that acted at the same time, after checks that both went through. */
  readonly overlaps: readonly Overlap<HeldInterval>[];
  /** Locks that were valid at the same time, be it that no holder acted. */
  readonly validityOverlaps: readonly Overlap<HeldInterval>[];
  readonly tokenFaults: readonly TokenFault<Granted>[];
  readonly lateExtensions: readonly LateExtension[];
  /** More permits of a semaphore valid at once than it has. */
  readonly crowds: readonly OverAdmission<Occupancy>[];
}

interface Held {
  readonly attempt: Attempt;
  readonly grant: Grant;
  readonly granted: Granted;
}

/**
 * Every resource is judged by itself, and of a semaphore every slot that is known.
 *
 * @param permits of every semaphore
 * @param tokensGrow `with leases`: where clocks may be wrong, a token that was handed over is as old as its lease
 */
export function checkAttempts(
  attempts: readonly Attempt[],
  permits: number,
  tokensGrow: 'in real time' | 'with leases' = 'in real time',
): Checks {
  const held = heldBy(attempts, tokensGrow);
  const groups = (keyOf: (one: Held, resource: string) => string | undefined) => {
    const lists = new Map<string, Held[]>();
    for (const one of held) {
      for (const resource of one.attempt.resources) {
        const key = keyOf(one, resource);
        if (key === undefined) continue;
        const list = lists.get(key);
        if (list === undefined) lists.set(key, [one]);
        else list.push(one);
      }
    }
    return [...lists.values()];
  };
  const orders = groups(({ attempt, grant }, resource) => {
    if (attempt.use !== 'permit') return resource;
    return grant.slot === undefined ? undefined : `${resource}, slot ${grant.slot}`;
  });
  const semaphores = groups(({ attempt }, resource) => (attempt.use === 'permit' ? resource : undefined));
  return {
    overlaps: orders.flatMap((each) => findOverlaps(each.flatMap(actionOf))),
    validityOverlaps: orders.flatMap((each) => findOverlaps(each.flatMap(validityOf))),
    tokenFaults: orders.flatMap((each) => findTokenFaults(each.map(({ granted }) => granted))),
    lateExtensions: orders.flatMap(lateExtensionsOf),
    crowds: semaphores.flatMap((each) => findOverAdmissions(each.flatMap(validityOf), permits)),
  };
}

function heldBy(attempts: readonly Attempt[], tokensGrow: 'in real time' | 'with leases'): readonly Held[] {
  const begun = new Map<string, number>();
  for (const { grant } of attempts) {
    if (grant !== undefined) begun.set(grant.lease, Math.min(grant.at, begun.get(grant.lease) ?? grant.at));
  }
  return attempts.flatMap((attempt) => {
    const { grant, caller: holder, askedAt } = attempt;
    if (grant === undefined) return [];
    const { token, lease, at: grantedAt } = grant;
    const leasedAt = tokensGrow === 'in real time' ? grantedAt : (begun.get(lease) ?? grantedAt);
    const requestedAt = Math.min(askedAt, leasedAt);
    return [
      {
        attempt,
        grant,
        granted: { holder, token, isShared: attempt.use === 'read', requestedAt, grantedAt },
      },
    ];
  });
}

function actionOf({ grant: { acted, lease }, granted }: Held): readonly HeldInterval[] {
  const { holder, token, isShared } = granted;
  return acted === undefined ? [] : [{ holder, lease, token, isShared, from: acted.first, to: acted.last }];
}

function validityOf({ grant: { lease, validUntil }, granted }: Held): readonly HeldInterval[] {
  const { holder, token, isShared, grantedAt: from } = granted;
  return validUntil < from ? [] : [{ holder, lease, token, isShared, from, to: validUntil }];
}

/** An extension that comes through proves that no higher token had been granted before it was asked for. */
function lateExtensionsOf(locks: readonly Held[]): readonly LateExtension[] {
  return locks.flatMap(({ grant, granted: { holder, token, isShared } }) =>
    grant.extensions.flatMap((askedAt) => {
      const later = locks.find(
        ({ granted }) =>
          granted.token > token && granted.grantedAt < askedAt && !(isShared && granted.isShared),
      );
      return later === undefined ? [] : [{ holder, token, askedAt, later: later.granted }];
    }),
  );
}

/** Something that was done to the nodes or to the callers, for the story of what came of it. */
export interface Incident {
  readonly from: number;
  readonly what: string;
}

/** How much of what happened before is told of an event. */
const STORY_MS = 6_000;

/** What was found, a few of each kind, each in a line and with the faults that came before. */
export function describeChecks(
  { overlaps, validityOverlaps, tokenFaults, lateExtensions, crowds }: Checks,
  incidents: readonly Incident[],
  startedAt: number,
  most: number,
): readonly string[] {
  const moment = (at: number) => `${((at - startedAt) / 1_000).toFixed(6).slice(0, -2)} s`;
  const ofOverlap = (what: string) => (overlap: Overlap<SharedInterval>) => {
    const [one, other] = [overlap.first, overlap.second].map(
      ({ holder, isShared, token, from, to }) =>
        `${holder}${isShared === true ? ', reading,' : ''} with token ${token} from ${moment(from)} to ${moment(to)}`,
    );
    return [
      overlap.second.from,
      `overlap, ${what} for ${overlap.length.toFixed(3)} ms: ${one} and ${other}`,
    ] as const;
  };
  const found = [
    ...overlaps.slice(0, most).map(ofOverlap('both acted')),
    ...validityOverlaps.slice(0, most).map(ofOverlap('both valid')),
    ...crowds
      .slice(0, most)
      .map(
        ({ last, all, permits }) =>
          [
            last.from,
            `${permits} permits valid at once: ${all.map(({ holder }) => holder).join(', ')}`,
          ] as const,
      ),
    ...tokenFaults
      .slice(0, most)
      .map(
        ({ kind, earlier, later }) =>
          [
            later.grantedAt,
            `token ${kind}: ${earlier.holder} was granted ${earlier.token} at ${moment(earlier.grantedAt)}, then ` +
              `${later.holder}, who asked at ${moment(later.requestedAt)}, ${later.token} at ${moment(later.grantedAt)}`,
          ] as const,
      ),
    ...lateExtensions
      .slice(0, most)
      .map(
        ({ holder, token, askedAt, later }) =>
          [
            askedAt,
            `${holder} extended token ${token}, asked for at ${moment(askedAt)}, when ${later.holder} had had ` +
              `${later.token} since ${moment(later.grantedAt)}`,
          ] as const,
      ),
  ];
  return found.map(([at, what]) => tell(at, what, incidents, moment));
}

/** An event: its moment, and the faults that came before it. */
export function tell(
  at: number,
  what: string,
  incidents: readonly Incident[],
  moment: (at: number) => string,
): string {
  const before = incidents.filter(({ from }) => from <= at && from > at - STORY_MS);
  return [
    `${moment(at)}  ${what}`,
    ...before.map((incident) => `    ${moment(incident.from)}  ${incident.what}`),
  ].join('\n');
}
