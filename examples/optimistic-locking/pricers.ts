// A process of callers who raise prices, for main.ts.
import type { Redlock } from 'quorlock';
import { openRedlock } from '../support/masters.ts';
import { connect } from '../support/postgres.ts';
import { serve } from '../support/serve.ts';
import { byBoth, byLock, byVersion } from './pricing.ts';

export interface Task {
  readonly masters: readonly string[];
  readonly database: string;
  readonly way: 'version' | 'lock' | 'both';
  readonly products: number;
  readonly callers: number;
  /** How many prices each caller raises. */
  readonly raises: number;
}

let redlock: Redlock | undefined;

/** Resolves with how often the callers had to begin again. */
serve(async ({ masters, database, way, products, callers, raises }: Task): Promise<number> => {
  const query = connect(database);
  // Kept from one task to the next, as a program keeps its own.
  redlock ??= openRedlock(masters);
  const raise = {
    version: byVersion(query),
    lock: byLock(redlock, query),
    both: byBoth(redlock, query),
  }[way];
  const retries = Array.from({ length: callers }, async () => {
    let sum = 0;
    for (let n = 0; n < raises; n++) sum += await raise(1 + Math.floor(Math.random() * products));
    return sum;
  });
  return (await Promise.all(retries)).reduce((sum, each) => sum + each, 0);
});
