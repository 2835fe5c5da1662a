import type { Waiter } from '../wire/operation.ts';
import type { Patience } from './ballot.ts';

/** What an attempt of somebody who waits says beside the rest. */
export interface Contention {
  /** Undefined where nobody would hear it called. */
  readonly waiter: Waiter | undefined;
  /** A lock value of this process whose keys the attempt takes over. */
  readonly previous: string | undefined;
  /**
   * That one is held still, and protected by what the attempt gets: nothing of it is given back before this resolves.
   * Undefined: it is being given back.
   */
  readonly ended?: (() => Promise<void>) | undefined;
  /** Who wants it. Where nobody waits any more when it is the attempt's turn, nodes are not asked. */
  readonly by?: { readonly waiting: number } | undefined;
}

/** For how long such an attempt hears what nodes say. */
export function patienceOf(contention: Contention | undefined): Patience {
  if (contention === undefined) return 'outcome';
  return contention.ended === undefined ? 'victory' : 'victory and after';
}
