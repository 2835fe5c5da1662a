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
    /** There is no connection to a node. */
    | 'QUORLOCK_NODE_DOWN'
    /** A node may have lost its memory, and does not vote for a while. */
    | 'QUORLOCK_NODE_QUARANTINED'
    /** A server can't be a node of this quorum as it is: a wrong password, a replica, the same server twice. */
    | 'QUORLOCK_NODE_REFUSED'
    /** A node does not answer, or later than it may: its votes do not count. */
    | 'QUORLOCK_NODE_SLOW'
    /** A node does not tell its run_id, which shows lost memory, and a server that is given twice. */
    | 'QUORLOCK_NO_RUN_ID'
    /** This program's maxTtl is longer than that of the others, which lengthens quarantines for all of them. */
    | 'QUORLOCK_MAX_TTL'
    /** A node is a Redis Cluster, whose failovers may lose locks and can't be seen. */
    | 'QUORLOCK_CLUSTER';
  /** What it is, why it matters, and what to do. */
  readonly message: string;
  /** The address of the node, of a `QUORLOCK_NODE_…`. */
  readonly node?: string;
  /** What a `QUORLOCK_NODE_…` has warned of before is over. */
  readonly isOver?: true;
}
