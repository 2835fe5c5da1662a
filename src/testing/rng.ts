import { SeededRandom } from './seeded-random.ts';

/** The random draws of a run, from its seed. */
export class Rng {
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  static ofSeed(seed: number): Rng {
    return new Rng(new SeededRandom(seed));
  }

  /** Another rng, whose draws do not depend on this one's later draws. */
  fork(): Rng {
    return new Rng(this.#random.fork());
  }

  /** True in this share of all draws. */
  chance(share: number): boolean {
    return this.#random.fraction() < share;
  }

  between(least: number, most: number): number {
    return least + this.#random.fraction() * (most - least);
  }

  /** An integer, both bounds included. */
  integer(least: number, most: number): number {
    return Math.floor(this.between(least, most + 1));
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.integer(0, items.length - 1)];
    if (item === undefined) throw new RangeError('there is nothing to pick from');
    return item;
  }

  /** `count` different items, or all if there are fewer. */
  sample<Item>(items: readonly Item[], count: number): readonly Item[] {
    const rest = [...items];
    const drawn: Item[] = [];
    while (drawn.length < count && rest.length > 0) {
      drawn.push(...rest.splice(this.integer(0, rest.length - 1), 1));
    }
    return drawn;
  }

  /** One of the items, each as often as its weight says. */
  weighted<Item>(items: readonly (readonly [weight: number, item: Item])[]): Item {
    let left = this.between(
      0,
      items.reduce((sum, [weight]) => sum + weight, 0),
    );
    for (const [weight, item] of items) {
      left -= weight;
      if (left < 0) return item;
    }
    return this.pick(items)[1];
  }
}
