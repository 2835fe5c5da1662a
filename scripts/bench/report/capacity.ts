/** Locks a second that a large deployment is asked for. */
export const MILLION = 1_000_000;

/** Of a core's time; the rest is for what is uneven, and for the system. */
const BUSY = 0.7;

const NODES_A_QUORUM = 5;

export interface Capacity {
  readonly busy: number;
  /** Locks a second of five masters with a core each. */
  readonly quorumRate: number;
  /** For a million locks a second. */
  readonly quorums: number;
  readonly serverCores: number;
  readonly clientCores: number;
}

/**
 * What a million locks a second take.
 *
 * @param clientUs processor time of the program for a cycle of acquire and release
 * @param serverUs that of all five nodes together
 */
export function capacityOf(clientUs: number, serverUs: number): Capacity {
  const quorumRate = (BUSY * 1e6) / (serverUs / NODES_A_QUORUM);
  const quorums = Math.ceil(MILLION / quorumRate);
  return {
    busy: BUSY,
    quorumRate,
    quorums,
    // A server works with one core, whatever its machine has.
    serverCores: quorums * NODES_A_QUORUM,
    clientCores: Math.ceil((MILLION * clientUs) / 1e6 / BUSY),
  };
}
