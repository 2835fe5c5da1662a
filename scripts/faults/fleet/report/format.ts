/** What a report is made of: written by the run, read by the page. Moments are milliseconds since the run began. */
export interface ReportData {
  readonly scenario: string;
  readonly text: string;
  readonly seed: number;
  readonly command: string;
  readonly fleet: string;
  readonly durationMs: number;
  readonly holds: boolean;
  readonly broken: readonly string[];
  /** Why not every attempt was answered, though every promise held. */
  readonly unanswered?: string | undefined;
  readonly rows: readonly {
    readonly what: string;
    readonly value: string;
    readonly mark?: boolean | undefined;
  }[];
  readonly details: readonly string[];
  readonly faults: readonly FaultMark[];
  /** When no majority could vote. */
  readonly outages: readonly { readonly from: number; readonly to: number; readonly what: string }[];
  readonly lanes: readonly Lane[];
  readonly latencies: readonly Latency[];
}

export interface FaultMark {
  readonly from: number;
  readonly to: number;
  readonly kind: string;
  readonly what: string;
  /** The names of the lanes that it was done to. */
  readonly lanes: readonly string[];
}

/** One node, or one worker process; a worker has a row for each of its callers. */
export interface Lane {
  readonly name: string;
  readonly group: 'node' | 'worker';
  readonly rows: readonly { readonly name: string; readonly spans: readonly Span[] }[];
}

/** What a lane was for a while. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly state: SpanState;
  /** For who looks closer. */
  readonly text: string;
  readonly token?: number;
}

export type SpanState =
  | 'up'
  | 'paused'
  | 'down'
  | 'cut'
  | 'slow'
  | 'full'
  | 'quarantined'
  | 'clock off'
  | 'waiting'
  | 'refused'
  | 'holding'
  | 'lost'
  | 'stopped'
  | 'dead';

/** How long attempts took in a second of the run that were granted a lock that no other caller wanted. */
export interface Latency {
  readonly at: number;
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
}
