import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';
import { keyOf, type Measured, type Point } from './points.ts';

/** What a line of the file has beside the point and its result. */
interface Origin {
  /** Of the run. */
  readonly seed: number;
  /** Names the code that measured it: another one may come to another result. */
  readonly code: string;
}

/**
 * The results of points, one JSON object a line, each written in one go as soon as it is there. A run that was cut
 * short at any moment leaves whole lines and at most one torn one, which the next run takes away.
 */
export class ResultsFile {
  readonly #path: string;
  readonly #origin: Origin;
  readonly #found = new Map<string, Measured>();

  /**
   * Opens the file, or makes it. Lines of other seeds and other code stay in it and do not count.
   *
   * @param fresh whether to begin with an empty file
   * @throws {Error} the file can't be read or written, or has a line that is no result
   */
  constructor(path: string, origin: Origin, { fresh = false } = {}) {
    this.#path = path;
    this.#origin = origin;
    mkdirSync(dirname(path), { recursive: true });
    if (fresh) rmSync(path, { force: true });
    if (!existsSync(path)) return;
    const text = readFileSync(path, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) truncateSync(path, Buffer.byteLength(whole));
    whole.split('\n').forEach((line, index) => {
      if (line !== '') this.#read(line, index + 1);
    });
  }

  /** What is known of a point already. */
  resultOf(point: Point): Measured | undefined {
    return this.#found.get(keyOf(point));
  }

  add(measured: Measured): void {
    const { seed, code } = this.#origin;
    appendFileSync(this.#path, `${JSON.stringify({ seed, code, ...measured })}\n`);
    this.#found.set(keyOf(measured.point), measured);
  }

  #read(line: string, number: number): void {
    const { seed, code, ...measured } = this.#parse(line, number);
    if (seed === this.#origin.seed && code === this.#origin.code)
      this.#found.set(keyOf(measured.point), measured);
  }

  #parse(line: string, number: number): Origin & Measured {
    try {
      const value: unknown = JSON.parse(line);
      if (isResult(value)) return value;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    throw new Error(`line ${number} of ${this.#path} is no result: start again with --fresh, or take it out`);
  }
}

/** Whether it was written by {@link ResultsFile.add}; what is inside a result is not looked at. */
function isResult(value: unknown): value is Origin & Measured {
  if (typeof value !== 'object' || value === null) return false;
  const { seed, code, point, result } = value as Record<string, unknown>;
  const areObjects = [point, result].every((part) => typeof part === 'object' && part !== null);
  return areObjects && typeof seed === 'number' && typeof code === 'string';
}
