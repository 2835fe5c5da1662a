import {
  findOverlaps,
  type Interval,
  type Overlap,
  type SharedInterval,
} from '../../../src/testing/checkers/overlaps.ts';
import { findTokenFaults, type Grant, type TokenFault } from '../../../src/testing/checkers/tokens.ts';
import type { Section } from './messages.ts';

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
