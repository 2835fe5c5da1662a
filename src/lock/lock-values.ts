import type { Random } from '../base/random.ts';

/** Makes lock values: strings that no other attempt, of this process or another, ever uses. */
export class LockValues {
  /** The prefix of all of them: the name of this Redlock, which no other has. */
  readonly process: string;
  #count = 0;

  constructor(random: Random) {
    this.process = random.identifier();
  }

  next(): string {
    this.#count += 1;
    return `${this.process}.${this.#count.toString(36)}`;
  }
}
