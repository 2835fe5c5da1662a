import type { Random } from '../base/random.ts';

/** Draws that are thrown away at the start: seeds that differ in one bit must not begin alike. */
const WARM_UP = 15;

/**
 * A source of chance that is the same again for the same seed. The generator is Chris Doty-Humphrey's sfc32 from
 * PractRand (pracrand.sourceforge.net), which is in the public domain.
 */
export class SeededRandom implements Random {
  #a = 0;
  #b: number;
  #c = 0;
  #counter = 1;

  /** @param seed a 32 bit integer */
  constructor(seed: number) {
    this.#b = seed | 0;
    for (let round = 0; round < WARM_UP; round += 1) this.#next();
  }

  fraction(): number {
    return this.#next() / 2 ** 32;
  }

  identifier(): string {
    return Array.from({ length: 4 }, () => this.#next().toString(36).padStart(7, '0')).join('');
  }

  /** Another source, whose draws do not depend on this one's later draws. */
  fork(): SeededRandom {
    return new SeededRandom(this.#next());
  }

  /** An integer from 0 to 2^32 - 1. */
  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
}
