/*
 * A program may start ten thousand calls in one tick. The naive answer is to send them all. Then answers come so late
 * that every call runs out of its time, and all are tried again. So few rounds run at a time, and the others wait
 * here, where no time runs for them.
 */

import pLimit from 'p-limit';
import type { Clock, Timer } from '../base/clock.ts';
import { SHORTEST_TIMEOUT_MS } from '../node/node-time.ts';
import { weightOf } from '../wire/operation.ts';

/**
 * Places for rounds that find one at once. A round has one of them, or several if it is over many keys. With 256 of
 * them a warm process does a third more where 256 callers go round. But then 256 of ten thousand first calls at once
 * find no quorum. On a machine that is busy otherwise all of them do.
 */
const STRAIGHT = 64;

/** More places, for rounds that wait for one: they travel together. Nodes on a busy machine still answer both in time. */
const QUEUED = 64;

/** The weight that goes in one place: a round over several keys costs a node little more than one over a single key. */
const PLACE = 8;

/** A round: it begins when it is called. `isTooLate`: it has waited for as long as its caller lets it, and asks no node. */
export type Round<Result> = (isTooLate?: boolean) => Promise<Result>;

/**
 * Bounds the rounds of one priority that run at the same time: first come first served. A lone round is only counted.
 * p-limit has those that come while many run, and costs each some promises. It begins as many together as have ended
 * together, so that they travel in one call.
 */
export class Limiter {
  readonly #clock: Clock;
  readonly #queue = pLimit(QUEUED);
  /** The places of the rounds that did not go through the queue. */
  #straight = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Runs a round over these keys: within this very call, or in its turn.
   *
   * @param mostMs how long it may wait for its turn, in milliseconds …
   * @param untilMs … and until when, by the uptime; undefined: for `mostMs`
   */
  run<Result>(
    over: { readonly keys: readonly string[] },
    begin: Round<Result>,
    mostMs = Number.POSITIVE_INFINITY,
    untilMs?: number,
  ): Promise<Result> {
    const places = Math.ceil(weightOf(over) / PLACE);
    if (this.#queue.pendingCount > 0 || this.#straight + places > STRAIGHT)
      return this.#enqueue(places, begin, mostMs, untilMs);
    this.#straight += places;
    const round = begin();
    const end = () => {
      this.#straight -= places;
    };
    round.then(end, end);
    return round;
  }

  /**
   * A round that needs three places stands in the queue three times, and begins with the last of them: it has the two
   * others then. One that needs more than the queue has begins when it has all of it.
   */
  #enqueue<Result>(
    places: number,
    begin: Round<Result>,
    mostMs: number,
    untilMs: number | undefined,
  ): Promise<Result> {
    const fill = () => Promise.allSettled([round]);
    for (let place = Math.min(places, QUEUED); place > 1; place -= 1) void this.#queue(fill);
    const waitMs =
      untilMs === undefined ? mostMs : Math.max(SHORTEST_TIMEOUT_MS, untilMs - this.#clock.uptime());
    let timer: Timer | undefined;
    let givenUp: Promise<Result> | undefined;
    const round = this.#queue(() => {
      timer?.cancel();
      return givenUp ?? begin();
    });
    if (waitMs === Number.POSITIVE_INFINITY) return round;
    const late = new Promise<Result>((resolve) => {
      timer = this.#clock.after(waitMs, () => {
        givenUp = begin(true);
        resolve(givenUp);
      });
    });
    return Promise.race([round, late]);
  }
}
