import { readFileSync, writeFileSync } from 'node:fs';

/** Every value has as many characters, so that one write replaces another whole, with a lock or without. */
const DIGITS = 12;

/** A number in a file that several processes read and write. It protects itself from nothing: that is the point. */
export class SharedCounter {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  static create(path: string): SharedCounter {
    writeFileSync(path, '0'.padStart(DIGITS));
    return new SharedCounter(path);
  }

  read(): number {
    return Number(readFileSync(this.#path, 'utf8'));
  }

  write(value: number): void {
    writeFileSync(this.#path, String(value).padStart(DIGITS), { flag: 'r+' });
  }
}
