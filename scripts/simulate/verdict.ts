import { findOverAdmissions } from '../../src/testing/checkers/over-admission.ts';
import { findOverlaps, type Overlap, type SharedInterval } from '../../src/testing/checkers/overlaps.ts';
import { findTokenFaults } from '../../src/testing/checkers/tokens.ts';
import type { Held } from './caller.ts';
import { describeMix } from './mix.ts';
import type { Findings } from './run.ts';

/** A promise that a run broke, and how. */
export interface Violation {
  readonly promise:
    | 'exclusion'
    | 'permits'
    | 'token order'
    | 'extension order'
    | 'waitTime'
    | 'liveness'
    | 'memory';
  readonly what: string;
}

/** None if everything held. */
export function violationsOf(findings: Findings): readonly Violation[] {
  const { mix, late, stuck, orphans, timers, keys, left } = findings;
  const violations: Violation[] = [...byResource(findings.locks).values()].flatMap((locks) => [
    ...(locks[0]?.isPermit ? crowdsOf(locks, mix.permits) : []),
    ...ordersOf(locks).flatMap((inOrder) => [
      ...overlapsOf(inOrder),
      ...tokenFaultsOf(inOrder),
      ...lateExtensionsOf(inOrder),
    ]),
  ]);
  const broken = (promise: Violation['promise'], isBroken: boolean, what: string) => {
    if (isBroken) violations.push({ promise, what });
  };
  for (const { caller, resources, requestedAt, waitTime, lateMs, outcome } of late) {
    const call = `${caller} for ${resources.join(', ')} from ${requestedAt.toFixed(3)}, waitTime ${waitTime.toFixed(0)}`;
    broken('waitTime', true, `${lateMs.toFixed(0)} ms late (${outcome}): ${call}`);
  }
  broken('liveness', stuck > 0, `${stuck} calls never ended`);
  broken('liveness', left > 0, `${left} machines could get no lock after the last fault`);
  broken('memory', orphans.length > 0, `keys outlived their ttl: ${orphans.join(', ')}`);
  broken('memory', timers > 0, `${timers} timers were left`);
  broken('memory', keys.most > keys.allowed, `a node kept ${keys.most} keys, and not ${keys.allowed}`);
  return violations;
}

/** How often somebody was granted a lock who had asked after another one that got it later. */
export function overtakenOf({ locks }: Findings): number {
  let overtaken = 0;
  for (const ofOne of byResource(locks).values()) {
    let latestRequest = Number.NEGATIVE_INFINITY;
    for (const { requestedAt } of [...ofOne].sort((a, b) => a.grantedAt - b.grantedAt)) {
      if (requestedAt < latestRequest) overtaken += 1;
      latestRequest = Math.max(latestRequest, requestedAt);
    }
  }
  return overtaken;
}

/** Why a run failed, and the one command that does it again. */
export function describeFailure(findings: Findings, violations: readonly Violation[]): string {
  const { seed, broken, cycles } = findings.mix;
  const choice = broken === 'none' ? '' : ` --break '${broken}'`;
  return [
    ...violations.slice(0, 3).map(({ promise, what }) => `${promise}: ${what}`),
    describeMix(findings.mix),
    `The same again: npm run simulate -- --seed ${seed} --cycles ${cycles}${choice} --trace`,
  ].join('\n');
}

function byResource(locks: readonly Held[]): ReadonlyMap<string, readonly Held[]> {
  return groupsOf(locks, ({ resources, isPermit }) =>
    resources.map((resource) => (isPermit ? `permit of ${resource}` : resource)),
  );
}

function groupsOf<Key>(
  locks: readonly Held[],
  keysOf: (lock: Held) => readonly Key[],
): ReadonlyMap<Key, readonly Held[]> {
  const lists = new Map<Key, Held[]>();
  for (const lock of locks) {
    for (const key of keysOf(lock)) {
      const list = lists.get(key);
      if (list === undefined) lists.set(key, [lock]);
      else list.push(lock);
    }
  }
  return lists;
}

/** The locks of one resource of which each excludes those before it: of a semaphore, those of each slot. */
function ordersOf(locks: readonly Held[]): readonly (readonly Held[])[] {
  if (!locks[0]?.isPermit) return [locks];
  return [...groupsOf(locks, ({ slot }) => (slot === undefined ? [] : [slot])).values()];
}

function intervalOf({ holder, token, isShared, grantedAt, validUntil }: Held): SharedInterval {
  return { holder, token, isShared, from: grantedAt, to: Math.max(grantedAt, validUntil) };
}

function crowdsOf(locks: readonly Held[], size: number): readonly Violation[] {
  return findOverAdmissions(locks.map(intervalOf), size).map(({ last, permits }) => ({
    promise: 'permits',
    what: `${permits} permits of ${size} in use when ${last.holder} got one at ${last.from.toFixed(3)}`,
  }));
}

function overlapsOf(locks: readonly Held[]): readonly Violation[] {
  return findOverlaps(locks.map(intervalOf)).map((overlap) => ({
    promise: 'exclusion',
    what: describeOverlap(overlap),
  }));
}

function describeOverlap({ first, second, length }: Overlap<SharedInterval>): string {
  const [one, other] = [first, second].map(
    ({ holder, isShared, from, to, token }) =>
      `${holder}${isShared === true ? ', reading,' : ''} from ${from.toFixed(3)} to ${to.toFixed(3)} (token ${token})`,
  );
  return `two holders for ${length.toFixed(3)} ms: ${one}, and ${other}`;
}

function tokenFaultsOf(locks: readonly Held[]): readonly Violation[] {
  return findTokenFaults(locks).map(({ kind, earlier, later }) => ({
    promise: 'token order',
    what:
      `${kind}: ${earlier.holder} got ${earlier.token} at ${earlier.grantedAt.toFixed(3)}, then ` +
      `${later.holder}, who asked at ${later.requestedAt.toFixed(3)}, got ${later.token}`,
  }));
}

/** An extension that comes through proves that nobody had been granted a higher token before it was asked for. */
function lateExtensionsOf(locks: readonly Held[]): readonly Violation[] {
  const extended = locks.filter(({ extensions }) => extensions.length > 0);
  return extended.flatMap(({ holder, token, isShared, extensions }) =>
    extensions.flatMap((askedAt) => {
      const later = locks.find(
        (other) => other.token > token && other.grantedAt < askedAt && !(isShared && other.isShared),
      );
      if (later === undefined) return [];
      const what =
        `${holder} extended token ${token}, asked for at ${askedAt.toFixed(3)}, when ${later.holder} had had ` +
        `${later.token} since ${later.grantedAt.toFixed(3)}`;
      return [{ promise: 'extension order' as const, what }];
    }),
  );
}
