import { plural } from '../base/describe.ts';
import { twinOf } from '../membership/eligibility.ts';
import { quarantineMs } from '../membership/quarantine.ts';
import { CLAMP_MS } from '../node/node-settings.ts';
import { majorityOf } from '../quorum/round.ts';
import type { Facts, Reading } from './facts.ts';
import { span } from './terminal.ts';

/** `error`: locks are unsafe, or a node does not vote. `warning`: locks work, and something may fail some day. */
type Severity = 'error' | 'warning';

/** Something that is wrong. */
export interface Finding {
  readonly severity: Severity;
  /** The kind of fault; the docs have a section of this name. */
  readonly check: Check;
  /** The nodes that have it; none: the deployment. */
  readonly nodes: readonly string[];
  readonly what: string;
  readonly risk: string;
  readonly remedy: string;
}

/** What the nodes are compared with, in milliseconds. */
export interface Terms {
  readonly nodeTimeout: number;
  readonly driftFactor: number;
  /** What the programs have; undefined: it was not said. */
  readonly maxTtl: number | undefined;
}

/** Every kind of fault that is looked for, and what may come of it. */
export const CHECKS = {
  unreachable: 'Its vote is missing: the deployment survives one failure less.',
  password: 'Its vote is missing: the deployment survives one failure less.',
  version: 'It lacks what locks need, and does not vote.',
  permissions: 'It refuses what locks need, and does not vote.',
  cluster: 'It has some of the keys only, and does not vote.',
  unfit: 'It does not answer as a node does, and does not vote.',
  replica: 'It forgets what its master has not told it yet, and so does not vote.',
  twin: 'One server would have two votes, and alone could grant a lock twice.',
  marker: 'It may have forgotten locks that are held, and does not vote until they have expired.',
  foreign: 'Majorities of different lists need not meet, so that two holders are possible. It does not vote.',
  'max-ttl':
    'Quarantines last as long as the longest ttl asks for, or a node takes a lock with a longer one for over.',
  count:
    'With an even number a node adds no safety and can tie; with fewer than three no failure is survived.',
  eviction: 'A full node throws locks away while they are held: two holders are possible.',
  memory: 'A full node refuses writes, and does not vote.',
  persistence:
    'If all nodes lose power at once, none remembers: they count as new, and vote while locks are held.',
  disk: 'A node that can not save may refuse writes, and does not vote.',
  clock: 'A later fencing token may be lower than an earlier one if a node also loses its memory.',
  rate: 'Keys there end too early or too late: two holders are possible beyond what driftFactor allows.',
  'round-trip': 'Its votes come too late and do not count, and locks are valid for less long.',
  notices: 'Callers that wait for a lock ask it now and then instead of being told.',
} as const;

type Check = keyof typeof CHECKS;

/** What keeps a server that answers from voting for this list, whatever its marker says. */
const REFUSED: readonly Check[] = ['replica', 'twin', 'foreign'];

/** The addresses of servers that do not vote for this list. */
export function refusedIn(findings: readonly Finding[]): ReadonlySet<string> {
  return nodesWith(findings, REFUSED);
}

/** The addresses where no server answers. One that wants another password does. */
export function downIn(findings: readonly Finding[]): ReadonlySet<string> {
  return nodesWith(findings, ['unreachable']);
}

function nodesWith(findings: readonly Finding[], checks: readonly Check[]): ReadonlySet<string> {
  return new Set(findings.filter(({ check }) => checks.includes(check)).flatMap(({ nodes }) => nodes));
}

/** A node is nearly full when so much of its memory is used. */
const NEARLY_FULL = 0.9;

/** A round trip is too long when it takes so much of what a node has. */
const SLOW = 1 / 2;

/** Finds what is wrong, the worst first. */
export function diagnose(facts: readonly Facts[], terms: Terms): readonly Finding[] {
  const findings = [
    ...facts.flatMap((node) => findingsAt(node, facts, terms)),
    ...countFindings(facts),
    ...clockFindings(facts),
  ];
  return merge(findings).sort((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'));
}

function finding(
  check: Check,
  severity: Severity,
  node: Facts | undefined,
  what: string,
  remedy: string,
): Finding {
  const nodes = node === undefined ? [] : [node.address];
  return { severity, check, nodes, what, risk: CHECKS[check], remedy };
}

function findingsAt(node: Facts, all: readonly Facts[], terms: Terms): readonly Finding[] {
  if (node.failure !== undefined) return [failureOf(node, node.failure)];
  const identity = identityFindings(node, all);
  return [
    ...identity,
    // The marker of a replica is its master's; that of a twin is judged once.
    ...(identity.some(({ severity }) => severity === 'error') ? [] : markerFindings(node, all, terms)),
    ...memoryFindings(node),
    ...persistenceFindings(node),
    ...timeFindings(node, terms),
  ];
}

/** What the failure of a server that answers is about. */
const FAILURES: readonly (readonly [about: RegExp, check: Check, remedy: string])[] = [
  [
    /user or password|NOAUTH|WRONGPASS/,
    'password',
    'Set QUORLOCK_PASSWORD, or give --password-file; with an ACL name the user, as redis://user@host:port.',
  ],
  [/^it is Redis \d/, 'version', 'Use Redis 6.2 or newer, or Valkey.'],
  [/Redis Cluster/, 'cluster', 'Give the address of a single master.'],
  [/its user may not|it does not know/, 'permissions', 'Give the user the rules that docs/servers.md has.'],
];

function failureOf(node: Facts, failure: string): Finding {
  const known = FAILURES.find(([about]) => about.test(failure));
  if (known !== undefined) return finding(known[1], 'error', node, failure, known[2]);
  if (node.client.state === 'ready') return finding('unfit', 'error', node, failure, 'See what it says.');
  const remedy = 'Start it, or correct its address; look at firewalls between here and there.';
  return finding('unreachable', 'error', node, failure, remedy);
}

function identityFindings(node: Facts, all: readonly Facts[]): readonly Finding[] {
  const { handshake } = node;
  if (handshake === undefined) return [];
  const findings: Finding[] = [];
  if (handshake.role !== 'master' && handshake.role !== '') {
    const master = `${node.info.get('master_host') ?? '?'}:${node.info.get('master_port') ?? '?'}`;
    findings.push(
      finding(
        'replica',
        'error',
        node,
        `It is a ${handshake.role} of ${master}.`,
        'Give the address of a master.',
      ),
    );
  }
  const others = all
    .filter((other) => other !== node)
    .map((other) => ({ node: other, handshake: other.handshake }));
  const twin = twinOf(handshake, others);
  if (twin !== undefined) {
    const what = `It is the same server as ${twin.node.address}, under another address.`;
    findings.push(finding('twin', 'error', node, what, 'Give every master once.'));
  }
  if (handshake.deafness !== undefined) {
    findings.push(finding('notices', 'warning', node, 'It sends no notices.', handshake.deafness));
  }
  return findings;
}

function markerFindings(
  node: Facts,
  all: readonly Facts[],
  { maxTtl, driftFactor }: Terms,
): readonly Finding[] {
  const { handshake, marker, isActive } = node;
  if (handshake === undefined) return [];
  const isNew = all.every((other) => other.marker === undefined || other.marker.state === 'starting');
  // Where no node has one, the first program that comes starts the deployment; without quarantine none ever has one.
  if (isNew) return [];
  const wait = 'Wait: programs that use it end its quarantine, and "quorlock doctor --wait" does.';
  const longest = Math.max(...all.map((other) => other.marker?.maxTtl ?? 0));
  const forMs = span(quarantineMs(longest, driftFactor));
  if (marker !== undefined && marker.nodeCount !== all.length) {
    const what = `It is one of ${plural(marker.nodeCount, 'node')}, and the list has ${all.length}.`;
    const remedy =
      'Give all programs the same list; if it has changed and no lock is held, run "quorlock init".';
    return [finding('foreign', 'error', node, what, remedy)];
  }
  if (!isActive) {
    const isJoining = marker?.state === 'joining' && marker.runId === handshake.runId;
    const what = isJoining
      ? `It is in quarantine, which lasts ${forMs}.`
      : marker === undefined
        ? `Its marker is gone: it was emptied. Its quarantine of ${forMs} has not begun.`
        : `It restarted. Its quarantine of ${forMs} has not begun.`;
    return [finding('marker', 'error', node, what, wait)];
  }
  if (marker === undefined) return [];
  const same =
    'Give all programs the same maxTtl; to go back to a shorter one run "quorlock init" when no lock is held.';
  if (marker.maxTtl < longest) {
    const what = `It knows of ttls up to ${marker.maxTtl} ms, and another node of ${longest} ms.`;
    return [finding('max-ttl', 'warning', node, what, same)];
  }
  if (maxTtl !== undefined && marker.maxTtl !== maxTtl) {
    return [
      finding(
        'max-ttl',
        'warning',
        node,
        `Its maxTtl is ${marker.maxTtl} ms, and ${maxTtl} ms was given.`,
        same,
      ),
    ];
  }
  return [];
}

function memoryFindings({ info, handshake, ...rest }: Facts): readonly Finding[] {
  const node = { info, handshake, ...rest };
  const findings: Finding[] = [];
  if (handshake?.evicts === true) {
    const what = `Its memory is bounded, and its maxmemory-policy is ${handshake.evictionPolicy}.`;
    findings.push(finding('eviction', 'error', node, what, 'CONFIG SET maxmemory-policy noeviction.'));
  }
  const used = Number(info.get('used_memory') ?? 0);
  const bound = Number(info.get('maxmemory') ?? 0) || Number(info.get('total_system_memory') ?? 0);
  if (bound > 0 && used > bound * NEARLY_FULL) {
    const what = `${Math.round((used / bound) * 100)} % of its memory is used (${megabytes(used)} of ${megabytes(bound)}).`;
    findings.push(finding('memory', 'warning', node, what, 'Raise maxmemory, or move other data away.'));
  }
  return findings;
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`;
}

function persistenceFindings(node: Facts): readonly Finding[] {
  const { info, config } = node;
  const findings: Finding[] = [];
  const hasLog = info.get('aof_enabled') === '1';
  const remedy =
    'CONFIG SET appendonly yes, and appendfsync everysec or always; or say quarantine: strict in all programs.';
  if (info.has('aof_enabled') && !hasLog) {
    const hasSnapshots = config !== undefined && config.save !== '';
    const what = hasSnapshots ? 'It keeps snapshots only, no append-only file.' : 'It keeps nothing on disk.';
    findings.push(finding('persistence', 'warning', node, what, remedy));
  }
  if (hasLog && config?.appendfsync === 'no') {
    const what = 'It leaves to the kernel when its append-only file is written (appendfsync no).';
    findings.push(finding('persistence', 'warning', node, what, 'CONFIG SET appendfsync everysec.'));
  }
  const failed = ['aof_last_write_status', 'aof_last_bgrewrite_status', 'rdb_last_bgsave_status'].filter(
    (field) => info.get(field) === 'err',
  );
  if (failed.length > 0) {
    const what = `It could not write to its disk (${failed.join(', ')}).`;
    findings.push(finding('disk', 'error', node, what, 'Look at its log and its disk.'));
  }
  return findings;
}

function timeFindings(node: Facts, { nodeTimeout, driftFactor }: Terms): readonly Finding[] {
  const { readings, unanswered } = node;
  const findings: Finding[] = [];
  const trip = roundTripMs(readings);
  const isLate = unanswered > 0 || (trip !== undefined && trip > nodeTimeout);
  if (isLate || (trip !== undefined && trip > nodeTimeout * SLOW)) {
    const said = trip === undefined ? 'It does not answer' : `It takes about ${span(trip)} to answer`;
    const missed = unanswered > 0 ? `, and left ${unanswered} requests without an answer` : '';
    const what = `${said}${missed}; it has ${span(nodeTimeout)}.`;
    const remedy =
      'Raise nodeTimeout, or the ttl of which it is a quarter; or take a node that is nearer or faster.';
    findings.push(finding('round-trip', isLate ? 'error' : 'warning', node, what, remedy));
  }
  const rate = leastRate(readings);
  // Both clocks of a lock may be off by it: the client's and the node's.
  if (Math.abs(rate) > driftFactor / 2) {
    const what = `Its clock runs ${(Math.abs(rate) * 100).toFixed(1)} % too ${rate > 0 ? 'fast' : 'slowly'}, or was set just now.`;
    const remedy = `Have it slewed more slowly; driftFactor (${driftFactor}) has to be at least twice that.`;
    findings.push(finding('rate', 'error', node, what, remedy));
  }
  return findings;
}

/** The median round trip, in milliseconds. */
export function roundTripMs(readings: readonly Reading[]): number | undefined {
  const trips = readings.map(({ sentAtMs, receivedAtMs }) => receivedAtMs - sentAtMs).sort((a, b) => a - b);
  return trips[Math.floor(trips.length / 2)];
}

/** By how much a clock is too fast, as a share of the time, at the least; negative: too slow. */
function leastRate(readings: readonly Reading[]): number {
  const [first, last] = [readings[0], readings.at(-1)];
  if (first === undefined || last === undefined || first === last) return 0;
  const passedMs = (last.timeUs - first.timeUs) / 1_000;
  const [mostMs, leastMs] = [last.receivedAtMs - first.sentAtMs, last.sentAtMs - first.receivedAtMs];
  if (passedMs > mostMs) return (passedMs - mostMs) / mostMs;
  return passedMs < leastMs ? (passedMs - leastMs) / leastMs : 0;
}

/** How far a node's clock is ahead of this host's monotonic one, by its best reading, in milliseconds. */
export function aheadMs(readings: readonly Reading[]): number | undefined {
  const [best] = readings.toSorted((a, b) => a.receivedAtMs - a.sentAtMs - (b.receivedAtMs - b.sentAtMs));
  return best === undefined ? undefined : best.timeUs / 1_000 - (best.sentAtMs + best.receivedAtMs) / 2;
}

/** The middle of the nodes' clocks, as {@link aheadMs}. */
export function middleMs(facts: readonly Facts[]): number {
  const all = facts.flatMap(({ readings }) => aheadMs(readings) ?? []).sort((a, b) => a - b);
  return all[Math.floor(all.length / 2)] ?? 0;
}

function clockFindings(facts: readonly Facts[]): readonly Finding[] {
  const middle = middleMs(facts);
  return facts.flatMap((node) => {
    const ahead = aheadMs(node.readings);
    const offMs = ahead === undefined ? 0 : ahead - middle;
    if (Math.abs(offMs) <= CLAMP_MS) return [];
    const what = `Its clock is ${span(Math.abs(offMs))} ${offMs > 0 ? 'ahead of' : 'behind'} the others.`;
    return [
      finding('clock', 'warning', node, what, 'Have it follow a time server, and slewed rather than set.'),
    ];
  });
}

function countFindings(facts: readonly Facts[]): readonly Finding[] {
  const { length } = facts;
  const more = length < 3 ? 3 : length + 1;
  const remedy = `List ${more} masters that fail independently of each other, in all programs.`;
  if (length < 3)
    return [finding('count', 'warning', undefined, `The deployment has ${plural(length, 'node')}.`, remedy)];
  if (length % 2 === 1) return [];
  const survives = length - majorityOf(length);
  const what = `${length} nodes survive ${survives} failures, as ${length - 1} would.`;
  return [finding('count', 'warning', undefined, what, `${remedy} Or take one away.`)];
}

/** Several nodes with the same fault are one finding. */
function merge(findings: readonly Finding[]): Finding[] {
  const merged = new Map<string, Finding>();
  for (const each of findings) {
    const key = `${each.check} ${each.what} ${each.remedy}`;
    const known = merged.get(key);
    merged.set(key, known === undefined ? each : { ...known, nodes: [...known.nodes, ...each.nodes] });
  }
  return [...merged.values()];
}
