import type { PeerName } from './names.ts';
import type { Adapter } from './peer.ts';

/** Loads one library; a process has only the one that it measures. */
export const adapters: Readonly<Record<PeerName, () => Promise<Adapter>>> = {
  quorlock: () => import('./quorlock.ts'),
  'redlock-5': () => import('./redlock-5.ts'),
  'redlock-4': () => import('./redlock-4.ts'),
  sesamecare: () => import('./sesamecare.ts'),
  universal: () => import('./universal.ts'),
  semaphore: () => import('./semaphore.ts'),
  raw: () => import('./raw.ts'),
};
