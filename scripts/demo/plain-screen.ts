import type { Screen, View } from './view.ts';
import { describeHolders } from './words.ts';

const EVERY_MS = 2_000;

/** A line for each fault, and one every now and then: for pipes, files and CI. */
export class PlainScreen implements Screen {
  readonly #view: View;
  readonly #output: NodeJS.WritableStream;
  readonly #startedAtMs = performance.now();
  readonly #timer: NodeJS.Timeout;

  constructor(view: View, output: NodeJS.WritableStream) {
    this.#view = view;
    this.#output = output;
    this.#timer = setInterval(() => this.#line(this.#summary()), EVERY_MS);
  }

  note(what: string): void {
    this.#line(what);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #summary(): string {
    const { nodes, tally } = this.#view;
    const states = nodes.map(({ state }) => state).join(' ');
    return `nodes: ${states} | ${tally.acquisitions} acquisitions, ${describeHolders(this.#view)}`;
  }

  #line(text: string): void {
    const seconds = ((performance.now() - this.#startedAtMs) / 1_000).toFixed(1);
    this.#output.write(`${seconds.padStart(5)} s  ${text}\n`);
  }
}
