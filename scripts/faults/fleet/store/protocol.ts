/** What a holder read. The two numbers are counted up in their own ways, see server.ts. */
export interface Reading {
  /** Undefined if the store knew a higher token and refused. */
  readonly guarded: number | undefined;
  readonly unguarded: number;
}

export interface ReadRequest {
  readonly resource: string;
  readonly token: number;
}

export interface WriteRequest {
  readonly resource: string;
  readonly token: number;
  /** What it had read: it writes one more. */
  readonly read: Reading;
}

export interface WriteReply {
  readonly guarded: 'done' | 'refused' | 'none';
}

/** What has been written, by one way, to one resource. */
export interface Account {
  readonly resource: string;
  readonly way: 'guarded' | 'unguarded';
  readonly writes: number;
  /** The number that stands there: as many as there were writes, unless some were lost. */
  readonly value: number;
  /** Writes whose token was lower than that of a write before them. */
  readonly outOfOrder: number;
  /** Reads and writes that the guard refused. */
  readonly refused: number;
}
