import {
  findOverlaps,
  type Interval,
  type Overlap,
  type SharedInterval,
} from '../../src/testing/checkers/overlaps.ts';
import { findTokenFaults, type Grant, type TokenFault } from '../../src/testing/checkers/tokens.ts';

/** One lock that a caller got. Moments are milliseconds on the clock of scripts/support/time.ts. */
export interface Section {
  readonly caller: string;
  readonly resources: readonly string[];
  /** Whether others might have it at the same time. Default: nobody. */
  readonly isShared?: boolean;
  readonly token: number;
  readonly requestedAt: number;
  readonly grantedAt: number;
  /**
   * When it acted: moments after which a check that the lock is held went through. Taken before the check, for the
   * process may be stopped right after it, and no lock can help that. Undefined if no check ever went through.
   */
  readonly acted: { readonly first: number; readonly last: number } | undefined;
  /** Until when the lock was valid for sure, by what it said itself when it was last asked, or until its release. */
  readonly validUntil: number;
}

/** What the shared checkers find in what callers did, all resources together. */
interface Findings {
  /** Holders that acted at the same time, after checks that both went through. */
  readonly overlaps: readonly Overlap<Interval>[];
  /** Locks that were valid at the same time, be it that nobody acted. */
  readonly validityOverlaps: readonly Overlap<Interval>[];
  readonly tokenFaults: readonly TokenFault<Grant>[];
}

/** Every resource is judged by itself. */
export function checkSections(sections: readonly Section[]): Findings {
  const onResources = [...byResource(sections).values()];
  return {
    overlaps: onResources.flatMap((each) => findOverlaps(each.flatMap(actionOf))),
    validityOverlaps: onResources.flatMap((each) => findOverlaps(each.flatMap(validityOf))),
    tokenFaults: onResources.flatMap((each) => findTokenFaults(each.map(grantOf))),
  };
}

function byResource(sections: readonly Section[]): ReadonlyMap<string, readonly Section[]> {
  const groups = new Map<string, Section[]>();
  for (const section of sections) {
    for (const resource of section.resources) {
      const group = groups.get(resource);
      if (group === undefined) groups.set(resource, [section]);
      else group.push(section);
    }
  }
  return groups;
}

function actionOf({ caller, token, isShared, acted }: Section): readonly SharedInterval[] {
  return acted === undefined ? [] : [{ holder: caller, token, isShared, from: acted.first, to: acted.last }];
}

function validityOf({ caller, token, isShared, grantedAt, validUntil }: Section): readonly SharedInterval[] {
  return validUntil <= grantedAt
    ? []
    : [{ holder: caller, token, isShared, from: grantedAt, to: validUntil }];
}

function grantOf({ caller, token, isShared, requestedAt, grantedAt }: Section): Grant {
  return { holder: caller, token, isShared, requestedAt, grantedAt };
}
