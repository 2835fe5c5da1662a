import { findOverlaps, type Interval, type Overlap } from '../../../src/testing/checkers/overlaps.ts';
import { findTokenFaults } from '../../../src/testing/checkers/tokens.ts';
import type { Held } from './caller.ts';
import { describeMix } from './mix.ts';
import type { Findings } from './run.ts';

/** A promise that a run broke, and how. */
export interface Violation {
  readonly promise: 'exclusion' | 'token order' | 'extension order' | 'liveness' | 'memory';
  readonly what: string;
}

/** None if everything held. */
export function violationsOf(findings: Findings): readonly Violation[] {
  const { stuck, orphans, timers, keys, left } = findings;
  const violations: Violation[] = [...byResource(findings.locks).values()].flatMap((locks) => [
    ...overlapsOf(locks),
    ...tokenFaultsOf(locks),
    ...lateExtensionsOf(locks),
  ]);
  const broken = (promise: Violation['promise'], isBroken: boolean, what: string) => {
    if (isBroken) violations.push({ promise, what });
  };
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
  const lists = new Map<string, Held[]>();
  for (const lock of locks) {
    const list = lists.get(lock.resource);
    if (list === undefined) lists.set(lock.resource, [lock]);
    else list.push(lock);
  }
  return lists;
}

function overlapsOf(locks: readonly Held[]): readonly Violation[] {
  const intervals = locks.map(({ holder, token, grantedAt, validUntil }) => ({
    holder,
    token,
    from: grantedAt,
    to: Math.max(grantedAt, validUntil),
  }));
  return findOverlaps(intervals).map((overlap) => ({ promise: 'exclusion', what: describeOverlap(overlap) }));
}

function describeOverlap({ first, second, length }: Overlap<Interval>): string {
  const [one, other] = [first, second].map(
    ({ holder, from, to, token }) => `${holder} from ${from.toFixed(3)} to ${to.toFixed(3)} (token ${token})`,
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
  return extended.flatMap(({ holder, token, extensions }) =>
    extensions.flatMap((askedAt) => {
      const later = locks.find((other) => other.token > token && other.grantedAt < askedAt);
      if (later === undefined) return [];
      const what =
        `${holder} extended token ${token}, asked for at ${askedAt.toFixed(3)}, when ${later.holder} had had ` +
        `${later.token} since ${later.grantedAt.toFixed(3)}`;
      return [{ promise: 'extension order' as const, what }];
    }),
  );
}
