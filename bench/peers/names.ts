import type { PeerSettings } from './peer.ts';

/** What is measured, each under the settings that it is measured with. */
export const PEERS = {
  quorlock: ['shipped'],
  'redlock-5': ['shipped', 'tuned'],
  'redlock-4': ['shipped', 'tuned'],
  sesamecare: ['shipped', 'tuned'],
  universal: ['shipped', 'tuned'],
  semaphore: ['shipped', 'tuned'],
} as const satisfies Readonly<Record<string, readonly PeerSettings[]>>;

export type PeerName = keyof typeof PEERS;
