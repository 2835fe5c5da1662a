import type { Verdict } from '../verdict.ts';
import type { Latency } from './format.ts';

const LEAST_BUCKET_MS = 250;
const MOST_BUCKETS = 240;

/** Of undisturbed attempts, bucket by bucket. */
export function latenciesOf({ findings }: Verdict): readonly Latency[] {
  const { startedAt, endedAt, history } = findings;
  const bucketMs = Math.max(LEAST_BUCKET_MS, (endedAt - startedAt) / MOST_BUCKETS);
  const buckets = new Map<number, number[]>();
  for (const { way, askedAt, grant } of history.attempts) {
    if (way !== 'probe' || grant === undefined || askedAt < startedAt || askedAt > endedAt) continue;
    const bucket = Math.floor((askedAt - startedAt) / bucketMs);
    const tookMs = grant.at - askedAt;
    const list = buckets.get(bucket);
    if (list === undefined) buckets.set(bucket, [tookMs]);
    else list.push(tookMs);
  }
  return [...buckets]
    .sort(([a], [b]) => a - b)
    .map(([bucket, all]) => {
      const sorted = all.toSorted((a, b) => a - b);
      const rank = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
      return {
        at: Math.round((bucket + 0.5) * bucketMs),
        count: all.length,
        p50: Math.round(rank(0.5) * 100) / 100,
        p99: Math.round(rank(0.99) * 100) / 100,
      };
    });
}
