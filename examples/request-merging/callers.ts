// A process of callers who all want the same report, for main.ts.
import { Redis } from 'ioredis';
import { openRedlock } from '../support/masters.ts';
import { connect } from '../support/postgres.ts';
import { serve } from '../support/serve.ts';
import { cached, locked, merged, type Read } from './merging.ts';

export interface Task {
  readonly masters: readonly string[];
  readonly cache: string;
  readonly database: string;
  readonly way: 'cache' | 'merged' | 'locked' | 'merged and locked';
  readonly callers: number;
}

/** Resolves with the different answers that the callers got. */
serve(async ({ masters, cache: url, database, way, callers }: Task): Promise<string[]> => {
  const cache = new Redis(url);
  await using redlock = openRedlock(masters);
  const query = connect(database);
  const ask: Read = async () => JSON.stringify(await query('SELECT sum(amount) AS revenue FROM orders'));
  const read: Read = {
    cache: cached(cache, ask),
    merged: merged(cached(cache, ask)),
    locked: locked(redlock, cache, ask),
    'merged and locked': merged(locked(redlock, cache, ask)),
  }[way];
  try {
    const answers = await Promise.all(Array.from({ length: callers }, () => read('revenue')));
    return [...new Set(answers)];
  } finally {
    cache.disconnect();
  }
});
