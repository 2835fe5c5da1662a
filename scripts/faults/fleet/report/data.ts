import { isNodeFault } from '../../plan.ts';
import { replayOf, scenarioOf } from '../terms.ts';
import type { Verdict } from '../verdict.ts';
import { detailsOf, rowsOf, whyUnanswered } from '../words.ts';
import type { FaultMark, ReportData } from './format.ts';
import { nodeLanesOf, workerLanesOf } from './lanes.ts';
import { latenciesOf } from './latency.ts';

/** All that the page shows, and the JSON beside it. Moments are milliseconds since the run began. */
export function dataOf(verdict: Verdict): ReportData {
  const { findings, broken } = verdict;
  const { options, startedAt, endedAt, incidents } = findings;
  const faults: readonly FaultMark[] = incidents.map(({ from, to, fault, what, worker }) => ({
    from: round(from - startedAt),
    to: round(to - startedAt),
    what,
    kind: fault.kind,
    lanes: isNodeFault(fault) ? fault.nodes.map((node) => `node ${node + 1}`) : [`worker ${worker}`],
  }));
  return {
    scenario: options.scenario,
    text: scenarioOf(options).text,
    seed: options.seed,
    command: replayOf(options),
    fleet: findings.fleet,
    durationMs: round(endedAt - startedAt),
    holds: broken.length === 0,
    broken,
    unanswered: whyUnanswered(verdict),
    rows: rowsOf(verdict),
    details: detailsOf(verdict),
    faults,
    outages: verdict.outages.map(({ from, to, what }) => ({
      from: round(from - startedAt),
      to: round(Math.min(to, endedAt) - startedAt),
      what,
    })),
    lanes: [...nodeLanesOf(verdict), ...workerLanesOf(verdict)],
    latencies: latenciesOf(verdict),
  };
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
