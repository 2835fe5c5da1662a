import { hash } from 'node:crypto';
import type { Lock, Redlock, UsingOptions } from 'quorlock';

/**
 * Several quorums, of which each resource belongs to one: the one whose name, together with the resource's, has the
 * highest hash. All programs must give the same names. If one quorum comes or goes, only resources that are its own move.
 */
export class Quorums {
  readonly #quorums: ReadonlyMap<string, Redlock>;

  /** @param quorums by name; at least one */
  constructor(quorums: ReadonlyMap<string, Redlock>) {
    if (quorums.size === 0) throw new RangeError('there must be a quorum');
    this.#quorums = quorums;
  }

  /** The quorum that a resource belongs to: acquire, use and inspect it there. */
  of(resource: string): Redlock {
    const ranked = [...this.#quorums].map(([name, quorum]) => ({ quorum, rank: rankOf(name, resource) }));
    return ranked.reduce((best, other) => (other.rank > best.rank ? other : best)).quorum;
  }
}

function rankOf(name: string, resource: string): string {
  return hash('sha1', JSON.stringify([name, resource]));
}

/**
 * For as long as some programs know the quorums before a change and others those after it: holds the resource in both.
 * All go from `before` to this, and only when all have done so, from this to `after`.
 */
export function usingBoth<Result>(
  before: Quorums,
  after: Quorums,
  resource: string,
  options: UsingOptions,
  routine: (lock: Lock, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const [old, next] = [before.of(resource), after.of(resource)];
  if (old === next) return old.using(resource, options, (lock) => routine(lock, lock.signal));
  return old.using(resource, options, (outer) =>
    next.using(resource, { ...options, signal: outer.signal }, (lock) =>
      routine(lock, AbortSignal.any([outer.signal, lock.signal])),
    ),
  );
}
