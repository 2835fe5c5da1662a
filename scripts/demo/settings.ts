/** Small, so that locks run out, are extended and wait for each other within seconds. */
export const TTL_MS = 1_500;
export const MAX_TTL_MS = 2_000;

/** Twice the default, for a machine that runs everything at once. */
export const NODE_TIMEOUT_MS = 100;

/** Long enough that a caller waits through the longest holder and some bad luck. */
export const WAIT_TIME_MS = 10_000;

export const RESOURCE = 'demo:counter';

export const NODE_COUNT = 5;
export const WORKER_COUNT = 4;
export const CALLERS_PER_WORKER = 4;

/** A majority of five has to stay. */
export const MOST_NODES_OUT = 2;

/** How long a master that came back empty has to wait for its vote, at the most. */
export const QUARANTINE_MS = MAX_TTL_MS + 2_500;
