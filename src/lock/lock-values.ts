import type { Random } from '../base/random.ts';

/** Makes lock values: strings that no other attempt, of this process or another, ever uses. */
export class LockValues {
  readonly #prefix: string;
  #count = 0;

  constructor(random: Random) {
    this.#prefix = random.identifier();
  }

  next(): string {
    this.#count += 1;
    return `${this.#prefix}.${this.#count.toString(36)}`;
  }
}
