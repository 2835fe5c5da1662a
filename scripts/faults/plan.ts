import type { Quarantine } from '../../src/index.ts';
import { quarantineMs } from '../../src/membership/quarantine.ts';
import { Rng } from '../../src/testing/rng.ts';
import type { Defect } from './defects.ts';

/** What not every kind of server can have done to it. */
export type Ability =
  /** It can find its memory again after a crash. */
  | 'disk'
  /** Its wall clock can be set wrong. */
  | 'clock'
  /** There is one more server, to become a replica. */
  | 'spare'
  /** It can be taken off its network. */
  | 'network'
  /** Its memory can be bounded, and it can be short of a processor. */
  | 'host';

/** What can be done to nodes, and what each needs. */
export const NODE_FAULTS = {
  /** SIGKILL; it comes back with what it has on disk. */
  kill: ['disk'],
  /** SIGKILL; it comes back with nothing. */
  'kill empty': [],
  /** SIGSTOP: connections stay open and nothing answers. */
  pause: [],
  flush: [],
  /** Silence in both directions. */
  cut: [],
  /** The node executes, and its clients do not hear of it. */
  'cut replies': [],
  'cut requests': [],
  /** `amount` ms on every way. */
  delay: [],
  /** Up to `amount` ms on every way. */
  jitter: [],
  /** Every connection is reset. */
  reset: [],
  /** `amount` bytes a second get through. */
  drip: ['host'],
  /** The wall clock is set `amount` ms on, or back. It stays like that. */
  step: ['clock'],
  /** The wall clock is set to `amount` ms from the true time. */
  'set clock': ['clock'],
  /** The wall clock runs at `amount` times its rate. What it gains or loses stays. */
  rate: ['clock'],
  /** It gets a few per cent of a processor. */
  starve: ['host'],
  /** `maxmemory` is reached: every write is refused. */
  oom: ['host'],
  /** A replica that lags behind by the fault's duration takes its place. */
  replica: ['spare'],
  /** It is taken off its network. */
  disconnect: ['network'],
} as const satisfies Record<string, readonly Ability[]>;

export type NodeFaultKind = keyof typeof NODE_FAULTS;

/** What can be done to the load: to the process that is about to write under a lock, or that has just begun to wait. */
const LOAD_FAULTS = ['pause holder', 'kill holder', 'pause waiter', 'kill waiter'] as const;
export type LoadFaultKind = (typeof LOAD_FAULTS)[number];

export interface NodeFault {
  readonly kind: NodeFaultKind;
  /** Since the run began. */
  readonly atMs: number;
  /** 0 for what happens in a moment. */
  readonly forMs: number;
  readonly nodes: readonly number[];
  readonly amount?: number;
}

export interface LoadFault {
  readonly kind: LoadFaultKind;
  readonly atMs: number;
  readonly forMs: number;
}

export type Fault = NodeFault | LoadFault;

export function isNodeFault(fault: Fault): fault is NodeFault {
  return 'nodes' in fault;
}

/** After these a node remembers nothing that can be relied on, and must not vote until it is safe again. */
export function losesMemory(kind: NodeFaultKind): boolean {
  return kind === 'kill' || kind === 'kill empty' || kind === 'flush' || kind === 'replica';
}

/** Whether a node can't be counted on to answer in time, or to be believed, while this is done to it. */
export function impairs({ kind, amount = 0 }: NodeFault, nodeTimeout: number): boolean {
  if (kind === 'delay' || kind === 'jitter') return 2 * amount > nodeTimeout / 2;
  return kind !== 'rate' || Math.abs(amount - 1) > 0.01;
}

/** Faults of the way between clients and a node, and that of an address. */
const OF_THE_NETWORK: readonly Fault['kind'][] = [
  'cut',
  'cut replies',
  'cut requests',
  'delay',
  'jitter',
  'reset',
  'drip',
  'replica',
];

export function needsProxy({ kind }: Fault): boolean {
  return OF_THE_NETWORK.includes(kind);
}

/** What the load does with its locks. */
type Load =
  /** It reads, checks and writes to a PostgreSQL store, with the token and without; readers and permits are beside it. */
  | 'store'
  /** It checks that it holds them. */
  | 'checks'
  /** It counts up a number in a shared file. */
  | 'file';

/** Everything that is settled before a run on real servers; the same for the same options. Durations in milliseconds. */
export interface Terms {
  readonly durationMs: number;
  readonly nodes: number;
  /** What the wall clock of each node is set to at the start: off by so much, at such a rate. None: all are right. */
  readonly clocks: readonly { readonly offsetMs: number; readonly rate: number }[];
  readonly workers: number;
  readonly callersPerWorker: number;
  readonly load: Load;
  /** Whether callers hold their locks so briefly that 2 s are enough for all who wait; else some hold on for long. */
  readonly isBrief: boolean;
  /** What all callers contend for. */
  readonly resources: readonly string[];
  readonly ttl: number;
  readonly maxTtl: number;
  readonly nodeTimeout: number;
  readonly quarantine: Quarantine;
  /** What the library gets wrong: to see that it is found. */
  readonly defects: readonly Defect[];
}

/** What a run has to show, beside what every run has to; the rest is counted. */
export interface Promises {
  /** No two holders at once, no permit too many; and locks are served again once a majority is back. */
  readonly exclusion: boolean;
  /** Tokens unique, and growing in real time; no lock extended that a later one has replaced; no guarded update lost. */
  readonly tokens: boolean;
  /** A majority is never out: every attempt gets an answer. */
  readonly availability: boolean;
  /** However often a majority is out, every call that is ready to wait for 2 s is answered with a lock. */
  readonly patience: boolean;
  /** No key outlives its ttl. Where clocks are off, keys are too. */
  readonly expiry: boolean;
  /** No client is warned of clocks that are as they should be. */
  readonly calm: boolean;
}

/** A kind of run: what is done, and what is to be seen. */
export interface Scenario {
  readonly text: string;
  readonly promises: Promises;
  /** How long one run takes unless it is told otherwise. */
  readonly durationMs: number;
  /** What is not as in most runs. */
  readonly terms?: (dice: Rng) => Partial<Terms>;
  readonly draw: (draft: Draft) => void;
}

/** For connections to be made again and markers to be seen. */
export const SETTLING_MS = 700;

/** A fault that comes later than this after its time does not come at all, so that spacing them is worth something. */
export const LATEST_MS = 1_000;

/** Nothing new is done at the end, which belongs to what came of it. */
const LAST_MS = 1_000;

/** How long a node that lost its memory may not vote at the least. */
export function untilVotingMs({ maxTtl }: Pick<Terms, 'maxTtl'>): number {
  return quarantineMs(maxTtl, 0.01);
}

/**
 * How long a node counts as having lost its memory. While some node that kept its own stands between, all nodes
 * are never found blank at once.
 */
export function amnesiaMs(terms: Pick<Terms, 'maxTtl'>): number {
  return untilVotingMs(terms) + SETTLING_MS + LATEST_MS;
}

/** Draws the faults of a run: the same for the same terms and seed. */
export class Draft {
  readonly dice: Rng;
  readonly majority: number;
  readonly all: readonly number[];
  readonly terms: Terms;
  readonly #abilities: ReadonlySet<Ability>;
  readonly #faults: Fault[] = [];
  /** Of each node: when it can be dealt with again, be counted on again, has its right rate, and last forgot. */
  readonly #busyUntil: number[];
  readonly #outUntil: number[];
  readonly #rateUntil: number[];
  readonly #forgotAt: number[];
  #spareFreeAt = 0;
  /** Outages of a majority by chance that this run may still have: they stop all progress for a while. */
  #wideLeft = 1;

  constructor(terms: Terms, seed: number, abilities: ReadonlySet<Ability>) {
    this.terms = terms;
    this.dice = Rng.ofSeed(seed ^ 0x5eed);
    this.#abilities = abilities;
    this.all = Array.from({ length: terms.nodes }, (_, index) => index);
    this.majority = Math.floor(terms.nodes / 2) + 1;
    this.#busyUntil = this.all.map(() => 0);
    this.#outUntil = this.all.map(() => 0);
    this.#rateUntil = this.all.map(() => 0);
    this.#forgotAt = this.all.map(() => Number.NEGATIVE_INFINITY);
  }

  get faults(): readonly Fault[] {
    return this.#faults.toSorted((a, b) => a.atMs - b.atMs);
  }

  /** Whether the fleet is able to have this done to it. */
  can(kind: NodeFaultKind): boolean {
    return NODE_FAULTS[kind].every((ability) => this.#abilities.has(ability));
  }

  /** Calls `add` from `fromMs` on with one moment after the other, so far apart. */
  fill(fromMs: number, gapMs: readonly [least: number, most: number], add: (atMs: number) => void): void {
    const lastMs = this.terms.durationMs - LAST_MS;
    for (let atMs = fromMs; Math.round(atMs) < lastMs; atMs += this.dice.between(...gapMs))
      add(Math.round(atMs));
  }

  /** Nodes to which nothing has happened that would matter at that moment. */
  free(atMs: number): readonly number[] {
    return this.all.filter((node) => (this.#outUntil[node] ?? 0) <= atMs);
  }

  /** Nodes that something can be done to, be it that they do not vote. */
  idle(atMs: number): readonly number[] {
    return this.all.filter((node) => (this.#busyUntil[node] ?? 0) <= atMs);
  }

  /** Idle nodes that may lose their memory: unless waiting is strict, some node always remembers. */
  forgetful(atMs: number): readonly number[] {
    const idle = this.idle(atMs);
    if (this.terms.quarantine === 'strict') return idle;
    const fromMs = atMs - amnesiaMs(this.terms);
    const spared = this.dice.pick(this.all.filter((node) => (this.#forgotAt[node] ?? 0) < fromMs));
    return idle.filter((node) => node !== spared);
  }

  /** Nodes of which the clock runs at its right rate. Mostly a minority. */
  punctual(atMs: number): readonly number[] {
    const candidates = this.all.filter((node) => (this.#rateUntil[node] ?? 0) < atMs);
    const most = this.dice.chance(0.1) ? this.all.length : this.all.length - this.majority;
    return this.dice.sample(candidates, this.dice.integer(1, most));
  }

  /** Some of the candidates, by default of the free nodes: so few that a majority goes on voting. */
  minority(atMs: number, candidates = this.free(atMs)): readonly number[] {
    const room = this.free(atMs).length - this.majority;
    return room <= 0 ? [] : this.dice.sample(candidates, this.dice.integer(1, room));
  }

  /** The same; or, as long as the run may have that and it ends in time, more. */
  some(atMs: number, candidates: readonly number[], outMs: number): readonly number[] {
    const endsInTime = atMs + outMs + SETTLING_MS < this.terms.durationMs;
    if (this.#wideLeft === 0 || !endsInTime || !this.dice.chance(0.2)) return this.minority(atMs, candidates);
    this.#wideLeft -= 1;
    return this.dice.sample(candidates, this.dice.integer(this.majority, this.all.length));
  }

  /** Adds a fault unless there is nothing to be done, or the fleet is not able to. */
  add(wanted: NodeFault): void {
    const fault = wanted.kind === 'replica' ? { ...wanted, nodes: wanted.nodes.slice(0, 1) } : wanted;
    const { kind, atMs, forMs } = fault;
    if (fault.nodes.length === 0 || !this.can(kind)) return;
    if (kind === 'replica') {
      if (atMs < this.#spareFreeAt) return;
      this.#spareFreeAt = atMs + forMs + 2 * SETTLING_MS;
    }
    this.#faults.push(fault);
    const isClock = kind === 'step' || kind === 'rate';
    const untilAble = losesMemory(kind) || isClock ? untilVotingMs(this.terms) : 0;
    const raise = (until: number[], node: number, byMs: number) => {
      until[node] = Math.max(until[node] ?? 0, atMs + forMs + byMs);
    };
    for (const node of fault.nodes) {
      if (losesMemory(kind) && kind !== 'kill') this.#forgotAt[node] = atMs;
      if (kind === 'rate') raise(this.#rateUntil, node, SETTLING_MS);
      else if (kind !== 'set clock') raise(this.#busyUntil, node, 100);
      // A node whose clock was set wrong does not vote for a while: where that is done, votes are not counted on.
      if (kind === 'set clock' || !impairs(fault, this.terms.nodeTimeout)) continue;
      raise(this.#outUntil, node, untilAble + SETTLING_MS);
    }
  }

  addToLoad(kind: LoadFaultKind, atMs: number, forMs: number): void {
    this.#faults.push({ kind, atMs, forMs });
  }
}

/** What is said of a fault; `amount` and `forMs` are put in. */
const WORDS: Readonly<Record<NodeFaultKind, string>> = {
  kill: 'NODES killed, back with its memory after FOR',
  'kill empty': 'NODES killed, back empty after FOR',
  pause: 'NODES paused for FOR',
  flush: 'NODES flushed',
  cut: 'NODES cut off for FOR',
  'cut replies': 'replies of NODES cut off for FOR',
  'cut requests': 'requests to NODES cut off for FOR',
  delay: 'NODES AMOUNT ms away for FOR',
  jitter: 'NODES up to AMOUNT ms away for FOR',
  reset: 'connections to NODES reset',
  drip: 'NODES at AMOUNT bytes/s for FOR',
  step: 'clock of NODES stepped by AMOUNT ms',
  'set clock': 'clock of NODES set to AMOUNT ms',
  rate: 'clock of NODES at ×AMOUNT for FOR',
  starve: 'NODES starved of processor time for FOR',
  oom: 'NODES out of memory for FOR',
  replica: 'NODES replaced by a replica FOR behind',
  disconnect: 'NODES off the network for FOR',
};

export function describeFault(fault: Fault): string {
  const duration = `${Math.round(fault.forMs)} ms`;
  if (!isNodeFault(fault))
    return fault.kind.startsWith('pause') ? `${fault.kind} for ${duration}` : fault.kind;
  const { kind, amount = 0 } = fault;
  return WORDS[kind]
    .replace('NODES', `node ${fault.nodes.map((index) => index + 1).join(', ')}`)
    .replace('AMOUNT', kind === 'rate' ? amount.toFixed(4) : `${Math.round(amount)}`)
    .replace('FOR', duration);
}
