import pLimit from 'p-limit';
import { weightOf } from '../wire/operation.ts';

/**
 * The most that runs at a time: 64 rounds, unless they are over many keys. So many keep every node's calls full, and more
 * would hardly be faster. Nodes on a machine that is several times slower still answer all of them in time.
 */
const MOST = 512;

/** What a round weighs at least: one over several keys costs a node little more than one over a single key. */
const LEAST = 8;

/**
 * Bounds the rounds of one priority that run at the same time, so that a program may start any number at once and nodes
 * still answer each in time. The others wait here, first come first served, where no time runs for them.
 *
 * A round that finds room runs at once. The others take turns at waiting for it: p-limit keeps their order. It can't do
 * all of this, since it counts calls, not keys, and costs each some promises.
 */
export class Limiter {
  readonly #turns = pLimit(1);
  /** The weight of the rounds that run. */
  #weight = 0;
  /** Tells the one whose turn it is that a round has ended. */
  #ended: (() => void) | undefined;

  /** Runs a round over these keys: within this very call, or as soon as there is room. */
  run<Result>(over: { readonly keys: readonly string[] }, hold: () => Promise<Result>): Promise<Result> {
    const weight = Math.max(weightOf(over), LEAST);
    if (this.#turns.activeCount === 0 && this.#hasRoom(weight)) return this.#run(weight, hold);
    return this.#wait(weight, hold);
  }

  async #wait<Result>(weight: number, hold: () => Promise<Result>): Promise<Result> {
    const { round } = await this.#turns(async () => {
      while (!this.#hasRoom(weight)) {
        await new Promise<void>((resolve) => {
          this.#ended = resolve;
        });
      }
      // Not the promise itself: the turn is over before the round.
      return { round: this.#run(weight, hold) };
    });
    return round;
  }

  /** One that weighs more than the bound runs alone. */
  #hasRoom(weight: number): boolean {
    return this.#weight === 0 || this.#weight + weight <= MOST;
  }

  #run<Result>(weight: number, hold: () => Promise<Result>): Promise<Result> {
    this.#weight += weight;
    const round = hold();
    const end = () => {
      this.#weight -= weight;
      this.#ended?.();
    };
    round.then(end, end);
    return round;
  }
}
