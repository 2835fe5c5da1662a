import type { Waiter } from '../wire/operation.ts';
import type { RoundEnd } from './round.ts';

/** What an attempt carries beside the rest where a caller waits, or where it follows another lock. */
export interface ContendOptions {
  /** The waiter that enters the nodes' queues if this is refused. Undefined: it would not hear notifications. */
  readonly waiter: Waiter | undefined;
  /** Of a share: a lock value of this process whose key the attempt takes over, which is being released. */
  readonly previous?: string | undefined;
  /** Whether a caller still wants it. If none does when its turn comes, no node is asked. */
  readonly isWanted?: () => boolean;
}

/** When a round of such an attempt ends. */
export function roundEndOf(contend: ContendOptions | undefined): RoundEnd {
  return contend === undefined ? 'outcome' : 'victory';
}
