import type { Waiter } from '../wire/operation.ts';
import type { Patience } from './round.ts';

/** What an attempt says beside the rest where a caller waits, or where it follows another lock. */
export interface ContendOptions {
  /** Who enters the nodes' queues if this is refused. Undefined: notifications would not be heard. */
  readonly waiter: Waiter | undefined;
  /** Of a share: a lock value of this process whose key the attempt takes over, which is being released. */
  readonly previous?: string | undefined;
  /** Whether it is wanted still. Where it is not when its turn comes, no node is asked. */
  readonly isWanted?: () => boolean;
}

/** For how long such an attempt hears what nodes say. */
export function patienceOf(contend: ContendOptions | undefined): Patience {
  return contend === undefined ? 'outcome' : 'victory';
}
