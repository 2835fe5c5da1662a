import { type Lock, Redlock } from '../../src/index.ts';
import { MAX_TTL_MS, NODE_TIMEOUT_MS, RESOURCE, TTL_MS, WAIT_TIME_MS } from './settings.ts';

/** What a caller uses of a lock. */
export type Held = Pick<Lock, 'signal' | 'remainingValidity' | 'assertHeld' | 'release'> & {
  extend(): Promise<unknown>;
  /** Undefined where there is no lock. */
  readonly token: number | undefined;
};

/** A way to the shared resource. */
export interface Access {
  /** The caller extends and releases. */
  acquire(signal: AbortSignal): Promise<Held>;
  /** The lock is extended as long as the routine runs, and released afterwards. */
  using(signal: AbortSignal, routine: (held: Held) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

export function throughLock(urls: readonly string[]): Access {
  const redlock = new Redlock(urls, {
    ttl: TTL_MS,
    maxTtl: MAX_TTL_MS,
    nodeTimeout: NODE_TIMEOUT_MS,
    waitTime: WAIT_TIME_MS,
  });
  return {
    acquire: (signal) => redlock.acquire(RESOURCE, { signal }),
    using: (signal, routine) => redlock.using(RESOURCE, { signal }, routine),
    close: () => redlock.close(),
  };
}

/** What happens without a lock: everybody may go at once. */
export function withoutLock(): Access {
  const held: Held = {
    token: undefined,
    signal: new AbortController().signal,
    remainingValidity: () => Number.POSITIVE_INFINITY,
    assertHeld: () => undefined,
    extend: async () => Number.POSITIVE_INFINITY,
    release: async () => ({ freed: true, handedOver: false, votes: [] }),
  };
  return {
    acquire: async () => held,
    using: (_, routine) => routine(held),
    close: async () => undefined,
  };
}
