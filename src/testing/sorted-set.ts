/** A member of a sorted set. */
export interface Scored {
  readonly member: string;
  readonly score: number;
}

/** The members of a Redis sorted set, in the order of their scores and, where these are the same, of their bytes. */
export class SortedSet {
  readonly #scores = new Map<string, number>();
  readonly #sorted: Scored[] = [];

  get size(): number {
    return this.#sorted.length;
  }

  /** Adds a member, or gives it another score. */
  add(member: string, score: number): void {
    this.remove(member);
    const entry = { member, score };
    this.#scores.set(member, score);
    this.#sorted.splice(this.#placeOf(entry), 0, entry);
  }

  /** Whether it was there. */
  remove(member: string): boolean {
    const score = this.#scores.get(member);
    if (score === undefined) return false;
    this.#scores.delete(member);
    this.#sorted.splice(this.#placeOf({ member, score }), 1);
    return true;
  }

  scoreOf(member: string): number | undefined {
    return this.#scores.get(member);
  }

  /** How many members come before this one; undefined if it is not a member. */
  rankOf(member: string): number | undefined {
    const score = this.#scores.get(member);
    return score === undefined ? undefined : this.#placeOf({ member, score });
  }

  /** Takes out all members with a score from 0 to below this one. */
  removeBelow(score: number): void {
    const outdated = this.#sorted.filter((scored) => scored.score >= 0 && scored.score < score);
    for (const { member } of outdated) this.remove(member);
  }

  get last(): Scored | undefined {
    return this.#sorted.at(-1);
  }

  /** Takes the first one out. */
  popFirst(): Scored | undefined {
    const first = this.#sorted.shift();
    if (first !== undefined) this.#scores.delete(first.member);
    return first;
  }

  /** At most `count` members, from the first on. */
  first(count: number): readonly Scored[] {
    return this.#sorted.slice(0, count);
  }

  copy(): SortedSet {
    const copy = new SortedSet();
    for (const { member, score } of this.#sorted) copy.add(member, score);
    return copy;
  }

  /** How many members come before this one, whether it is a member or not. */
  #placeOf(scored: Scored): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#sorted[middle];
      if (other !== undefined && isBefore(other, scored)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isBefore(a: Scored, b: Scored): boolean {
  if (a.score !== b.score) return a.score < b.score;
  return Buffer.compare(Buffer.from(a.member), Buffer.from(b.member)) < 0;
}
