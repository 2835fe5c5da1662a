import { isNodeFault, type NodeFault } from '../../plan.ts';
import type { Attempt, Grant } from '../../record.ts';
import type { Incident } from '../inflictor.ts';
import type { Findings, Verdict } from '../verdict.ts';
import type { NodeState } from '../watcher.ts';
import type { Lane, Span, SpanState } from './format.ts';

/** A clock that is off by less may as well be one that was read late. */
const CLOCK_OFF_MS = 60;

/** What a node is during a fault; undefined where only looking at it tells. */
const DURING: Record<NodeFault['kind'], SpanState | undefined> = {
  kill: 'down',
  'kill empty': 'down',
  pause: 'paused',
  flush: undefined,
  cut: 'cut',
  'cut replies': 'cut',
  'cut requests': 'cut',
  delay: 'slow',
  jitter: 'slow',
  reset: undefined,
  drip: 'slow',
  step: undefined,
  'set clock': undefined,
  rate: 'clock off',
  starve: 'slow',
  oom: 'full',
  replica: undefined,
  disconnect: 'cut',
};

const SEEN: Record<NodeState, SpanState> = { voting: 'up', quarantined: 'quarantined', silent: 'down' };

/** A lane for each node: what was seen of it, and over that what was done to it. */
export function nodeLanesOf({ findings }: Verdict): readonly Lane[] {
  return findings.samples.map((samples, node) => {
    const own = findings.incidents.filter(({ fault }) => isNodeFault(fault) && fault.nodes.includes(node));
    const moments = samples.map(({ at, state, clockOffsetMs = 0 }) => ({
      at,
      state:
        state === 'voting' && Math.abs(clockOffsetMs) > CLOCK_OFF_MS ? ('clock off' as const) : SEEN[state],
    }));
    const seen = spansBetween(moments, findings);
    const done = own.flatMap((incident) => spanOfFault(incident, findings));
    return { name: `node ${node + 1}`, group: 'node', rows: [{ name: '', spans: [...seen, ...done] }] };
  });
}

function spansBetween(
  moments: readonly { readonly at: number; readonly state: SpanState }[],
  { startedAt, endedAt }: Findings,
): readonly Span[] {
  const spans: { from: number; to: number; state: SpanState; text: string }[] = [];
  moments.forEach(({ at, state }, index) => {
    const from = Math.max(at, startedAt);
    const to = Math.min(moments[index + 1]?.at ?? endedAt, endedAt);
    if (to <= from) return;
    const last = spans.at(-1);
    if (last?.state === state) last.to = since(startedAt, to);
    else spans.push({ from: since(startedAt, from), to: since(startedAt, to), state, text: state });
  });
  return spans;
}

function spanOfFault({ from, to, fault, what }: Incident, { startedAt, endedAt }: Findings): readonly Span[] {
  const state = isNodeFault(fault) ? DURING[fault.kind] : undefined;
  if (state === undefined) return [];
  return [{ from: since(startedAt, from), to: since(startedAt, Math.min(to, endedAt)), state, text: what }];
}

/** A lane for each place of the crew, with a row for each of its callers. */
export function workerLanesOf({ findings }: Verdict): readonly Lane[] {
  const { history, startedAt, endedAt, incidents } = findings;
  const places = new Map<string, Map<string, Span[]>>();
  const rowOf = (place: string, caller: string) => {
    const rows = places.get(place) ?? new Map<string, Span[]>();
    places.set(place, rows);
    const spans = rows.get(caller) ?? [];
    rows.set(caller, spans);
    return spans;
  };
  for (const attempt of history.attempts) {
    const [place = ''] = attempt.worker.split('#');
    const lastAt = history.workers.find(({ worker }) => worker === attempt.worker)?.lastAt ?? endedAt;
    if (attempt.askedAt > endedAt) continue;
    rowOf(place, attempt.caller).push(...spansOfAttempt(attempt, startedAt, lastAt));
  }
  for (const { fault, worker, from, to, what } of incidents) {
    if (isNodeFault(fault) || worker === undefined) continue;
    const isKill = fault.kind.startsWith('kill');
    const next = history.attempts.find(
      (attempt) => isKill && attempt.worker.split('#')[0] === worker && attempt.askedAt > to,
    );
    const end = isKill ? (next?.askedAt ?? endedAt) : to;
    for (const spans of places.get(worker)?.values() ?? []) {
      spans.push({
        from: since(startedAt, from),
        to: since(startedAt, Math.min(end, endedAt)),
        state: isKill ? 'dead' : 'stopped',
        text: what,
      });
    }
  }
  return [...places]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([place, rows]) => ({
      name: `worker ${place}`,
      group: 'worker',
      rows: [...rows]
        .sort(([a], [b]) => Number(a.includes(' ')) - Number(b.includes(' ')) || a.localeCompare(b))
        .map(([caller, spans]) => ({ name: caller, spans })),
    }));
}

function spansOfAttempt(attempt: Attempt, startedAt: number, lastAt: number): readonly Span[] {
  const { caller, resources, way, askedAt, settledAt = lastAt, refusal, grant } = attempt;
  const what = resources.join(' and ');
  const spans: Span[] = [];
  const add = (from: number, to: number, state: SpanState, text: string, token?: number) => {
    if (to < startedAt) return;
    const span = { from: since(startedAt, Math.max(from, startedAt)), to: since(startedAt, to), state, text };
    spans.push(token === undefined ? span : { ...span, token });
  };
  if (way !== 'probe') add(askedAt, settledAt, 'waiting', `${caller} asks for ${what} (${way})`);
  if (grant === undefined) {
    if (refusal !== undefined && refusal !== 'QUORLOCK_HELD' && refusal !== 'aborted') {
      add(settledAt, settledAt, 'refused', `${caller} does not get ${what}: ${refusal}`);
    }
    return spans;
  }
  const { token, at, ended } = grant;
  const heldUntil = ended?.at ?? Math.min(lastAt, grant.validUntil);
  const isLost = ended?.how.startsWith('QUORLOCK_') ?? false;
  const lostAt = isLost ? Math.min(heldUntil, Math.max(at, grant.validUntil)) : heldUntil;
  add(at, lostAt, 'holding', `${caller} holds ${what}${wordsOfWrites(grant)}`, token);
  if (isLost) add(lostAt, heldUntil, 'lost', `${caller} has lost ${what}: ${ended?.how}`, token);
  return spans;
}

function wordsOfWrites({ writes }: Grant): string {
  const refused = writes.filter(({ guarded }) => guarded === 'refused').length;
  if (writes.length === 0) return '';
  return `; ${writes.length} ${writes.length === 1 ? 'write' : 'writes'}${refused > 0 ? `, ${refused} refused by the guard` : ''}`;
}

function since(startedAt: number, at: number): number {
  return Math.round((at - startedAt) * 10) / 10;
}
