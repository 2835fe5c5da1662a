import type { Ability } from '../masters/server.ts';

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
  /** The node executes, and nobody hears of it. */
  'cut replies': [],
  'cut requests': [],
  /** `amount` ms on every way. */
  delay: [],
  /** Up to `amount` ms on every way. */
  jitter: [],
  /** Every connection is reset. */
  reset: [],
  /** `amount` bytes a second get through. */
  drip: [],
  /** The wall clock is set `amount` ms on, or back. It stays like that. */
  step: ['clock'],
  /** The wall clock runs at `amount` times its rate. */
  rate: ['clock'],
  /** It gets a few per cent of a processor. */
  starve: [],
  /** `maxmemory` is reached: every write is refused. */
  oom: [],
  /** A replica that lags behind by the fault's duration takes its place. */
  replica: ['spare'],
  /** It is taken off its network. */
  disconnect: ['network'],
} as const satisfies Record<string, readonly Ability[]>;

export type NodeFaultKind = keyof typeof NODE_FAULTS;

/** What can be done to the load: to the process that is about to write under a lock, or that has just begun to wait. */
export type LoadFaultKind = 'pause holder' | 'kill holder' | 'pause waiter' | 'kill waiter';

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
  switch (kind) {
    case 'delay':
      return 2 * amount > nodeTimeout / 2;
    case 'jitter':
      return 2 * amount > nodeTimeout / 2;
    case 'rate':
      return Math.abs(amount - 1) > 0.01;
    default:
      return true;
  }
}

export function describeFault(fault: Fault): string {
  const { kind, forMs } = fault;
  const duration = forMs === 0 ? '' : ` for ${Math.round(forMs)} ms`;
  if (!isNodeFault(fault)) return `${kind}${kind.startsWith('pause') ? duration : ''}`;
  const nodes = `node ${fault.nodes.map((index) => index + 1).join(', ')}`;
  const amount = fault.amount ?? 0;
  switch (fault.kind) {
    case 'kill':
      return `${nodes} killed, back with its memory after ${Math.round(forMs)} ms`;
    case 'kill empty':
      return `${nodes} killed, back empty after ${Math.round(forMs)} ms`;
    case 'pause':
      return `${nodes} paused${duration}`;
    case 'flush':
      return `${nodes} flushed`;
    case 'cut':
      return `${nodes} cut off${duration}`;
    case 'cut replies':
      return `replies of ${nodes} cut off${duration}`;
    case 'cut requests':
      return `requests to ${nodes} cut off${duration}`;
    case 'delay':
      return `${nodes} ${Math.round(amount)} ms away${duration}`;
    case 'jitter':
      return `${nodes} up to ${Math.round(amount)} ms away${duration}`;
    case 'reset':
      return `connections to ${nodes} reset`;
    case 'drip':
      return `${nodes} at ${Math.round(amount)} bytes/s${duration}`;
    case 'step':
      return `clock of ${nodes} stepped by ${Math.round(amount)} ms`;
    case 'rate':
      return `clock of ${nodes} at ×${amount.toFixed(4)}${duration}`;
    case 'starve':
      return `${nodes} starved of processor time${duration}`;
    case 'oom':
      return `${nodes} out of memory${duration}`;
    case 'replica':
      return `${nodes} replaced by a replica ${Math.round(forMs)} ms behind`;
    case 'disconnect':
      return `${nodes} off the network${duration}`;
  }
}
