import { quarantineMs } from '../../soak/terms.ts';
import { SETTLING_MS } from '../faults/draft.ts';
import { impairs, isNodeFault } from '../faults/fault.ts';
import type { Incident } from '../faults/inflictor.ts';
import type { LockTerms } from '../load/messages.ts';
import type { Sample } from '../watcher.ts';

export interface Interval {
  readonly from: number;
  readonly to: number;
}

/** A time in which no majority of nodes could vote. */
export interface Outage extends Interval {
  /** What led to it, in words. */
  readonly what: string;
}

/** When each node could not be counted on. */
export interface Impairment extends Interval {
  readonly node: number;
  readonly what: string;
}

/** From the beginning of a fault until the node was seen to vote again after its end. */
export function impairmentsOf(
  incidents: readonly Incident[],
  samples: readonly (readonly Sample[])[],
  lock: LockTerms,
): readonly Impairment[] {
  return incidents.flatMap(({ from, to, fault, what }) => {
    if (!isNodeFault(fault) || !impairs(fault, lock.nodeTimeout)) return [];
    // Whoever saw the clock go wrong does not believe the node for as long as one that forgot.
    const distrustMs = fault.kind === 'step' || fault.kind === 'rate' ? quarantineMs(lock) : 0;
    return fault.nodes.map((node) => ({
      node,
      from,
      to: Math.max(to + distrustMs, votesAgainAt(samples[node] ?? [], to)),
      what,
    }));
  });
}

function votesAgainAt(samples: readonly Sample[], from: number): number {
  return samples.find(({ at, state }) => at >= from && state === 'voting')?.at ?? Number.POSITIVE_INFINITY;
}

/** Times in which fewer than a majority were able to vote. */
export function outagesOf(impairments: readonly Impairment[], nodeCount: number): readonly Outage[] {
  const majority = Math.floor(nodeCount / 2) + 1;
  const moments = [...new Set(impairments.map(({ from }) => from))].sort((a, b) => a - b);
  const outages: Outage[] = [];
  for (const from of moments) {
    if (from < (outages.at(-1)?.to ?? Number.NEGATIVE_INFINITY)) continue;
    let end = from;
    let causes: readonly Impairment[] = [];
    // On to the next moment at which enough of them are back.
    for (;;) {
      const out = impairments.filter((each) => each.from <= end && each.to > end);
      const nodes = new Set(out.map(({ node }) => node));
      if (nodeCount - nodes.size >= majority) break;
      if (causes.length === 0) causes = out;
      end = Math.min(...out.map(({ to }) => to));
      if (end === Number.POSITIVE_INFINITY) break;
    }
    if (end > from)
      outages.push({ from, to: end, what: [...new Set(causes.map(({ what }) => what))].join('; ') });
  }
  return outages;
}

/** The same with the time that connections take after it, in which a node may be missed still. */
export function settled(impairments: readonly Impairment[]): readonly Impairment[] {
  return impairments.map((each) => ({ ...each, to: each.to + SETTLING_MS }));
}
