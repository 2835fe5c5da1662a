import type { PeerSettings } from './peer.ts';

/** What is measured where many want one lock, each under the settings that it is measured with. */
export const CONTENDERS = {
  quorlock: ['shipped'],
  'redlock-5': ['shipped', 'tuned'],
  'redlock-4': ['shipped', 'tuned'],
  sesamecare: ['shipped', 'tuned'],
  universal: ['shipped', 'tuned'],
  semaphore: ['shipped', 'tuned'],
} as const satisfies Readonly<Record<string, readonly PeerSettings[]>>;

/** What is measured where each worker wants another lock. `raw` is no library, but what the sockets and servers can do. */
export const WORKERS = {
  quorlock: ['shipped', 'plain'],
  'redlock-5': ['shipped', 'pipelined'],
  'redlock-4': ['shipped', 'pipelined'],
  sesamecare: ['shipped', 'pipelined'],
  universal: ['shipped', 'pipelined'],
  semaphore: ['shipped', 'pipelined'],
  raw: ['shipped'],
} as const satisfies Readonly<Record<string, readonly PeerSettings[]>>;

export type PeerName = keyof typeof CONTENDERS | keyof typeof WORKERS;
