/** Something that works but weakens what a lock promises. */
export interface RedlockWarning {
  readonly code: /** The number of nodes is even. */
    | 'QUORLOCK_EVEN_NODES'
    /** A node may throw locks away when its memory is full. */
    | 'QUORLOCK_EVICTION'
    /** A node's clock stepped, or runs at a rate beyond driftFactor. */
    | 'QUORLOCK_CLOCK'
    /** The clocks of this process disagree with each other, or one can't be read. */
    | 'QUORLOCK_OWN_CLOCK'
    /** The nodes' clocks are further apart than maxTtl, which fencing tokens may need once memory is lost. */
    | 'QUORLOCK_CLOCKS_APART'
    /** A node may not publish or subscribe: waiters get no notification from it, and ask now and then. */
    | 'QUORLOCK_SLOW_WAITING'
    /** A node keeps answering later than it may: its votes do not count. */
    | 'QUORLOCK_SLOW_NODE'
    /** A node does not tell its run_id, which shows lost memory, and a server that is given twice. */
    | 'QUORLOCK_NO_RUN_ID'
    /** This program's maxTtl is longer than that of the others, which lengthens quarantines for all of them. */
    | 'QUORLOCK_MAX_TTL'
    /** A node is a Redis Cluster, whose failovers may lose locks and can't be seen. */
    | 'QUORLOCK_CLUSTER';
  /** What it is, why it matters, and what to do. */
  readonly message: string;
}
