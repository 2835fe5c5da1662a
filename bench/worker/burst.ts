import { setTimeout as delay } from 'node:timers/promises';
import type { Peer } from '../peers/peer.ts';
import { Contender } from './contender.ts';
import type { BurstReport, BurstTerms } from './protocol.ts';
import { Stopwatch } from './stopwatch.ts';

/** Lets contenders in once each, all at the same moment. */
export async function burst(peer: Peer, terms: BurstTerms): Promise<BurstReport> {
  const stopwatch = new Stopwatch(terms.startAt);
  const contenders = Array.from(
    { length: terms.contenders },
    () => new Contender(peer, terms.resource, stopwatch),
  );
  let unfinished = terms.contenders;
  let lastReleasedAtMs = 0;
  await stopwatch.until(0);
  const through = contenders.map(async (contender) => {
    await contender.run(1);
    unfinished -= 1;
    lastReleasedAtMs = stopwatch.ms;
  });
  const impatience = new AbortController();
  const limit = delay(terms.limitMs, undefined, { signal: impatience.signal }).catch(() => undefined);
  await Promise.race([Promise.all(through), limit]);
  impatience.abort();
  return { contenders: contenders.map((contender) => contender.stop()), lastReleasedAtMs, unfinished };
}
