/** Gives a lock back; resolves when the library says that it did. */
export type Release = () => Promise<unknown>;

/** A lock library at work in one process, connected to all nodes. */
export interface Peer {
  /**
   * Resolves once the lock is held; rejects when the library gives up, which its settings decide.
   *
   * @param ttl milliseconds; only quorlock is ever asked for another than {@link TTL_MS}
   */
  acquire(resource: string, ttl?: number): Promise<Release>;
  /** Closes its connections; callers that still wait need not hear of it. */
  close(): Promise<void>;
}

/**
 * `shipped`: the library's defaults. `tuned`: a choice for quick holders, 5 to 10 ms between
 * two tries and never twice the same. `pipelined`: the defaults, and the driver's `enableAutoPipelining`. `plain`:
 * quorlock without fencing tokens. `lasting`: quorlock whose locks may live for an hour. `spread`: quorlock over several
 * quorums of five. `heard`: quorlock with a listener on each of its channels. The name of a driver: quorlock by that one; as
 * shipped it is ioredis.
 */
export type PeerSettings =
  | 'shipped'
  | 'tuned'
  | 'pipelined'
  | 'plain'
  | 'lasting'
  | 'spread'
  | 'heard'
  | (typeof DRIVERS)[number];

/** The drivers of quorlock, but for ioredis. */
export const DRIVERS = ['redis', 'iovalkey', '@valkey/valkey-glide'] as const;

/** What every adapter of a library exports. */
export interface Adapter {
  /** Resolves once every node is connected to. */
  start(urls: readonly string[], settings: PeerSettings): Promise<Peer>;
}

/** How long every lock lives, in milliseconds: quorlock's default, and far more than any holder needs. */
export const TTL_MS = 10_000;
