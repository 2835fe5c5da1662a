import type { Clock } from '../base/clock.ts';
import type { NodeVote } from '../base/vote.ts';
import { bequeath, fullValidityMs, isAsGranted, type Lock, unprotected } from '../lock/lock.ts';
import type { Contention } from '../quorum/contention.ts';
import type { LostAttempt, Wish, Won } from './wish.ts';

/** A lock that was asked for longer ago than its ttl divided by this is not handed out: it is to be as good as a new one. */
const FRESH = 50;

/**
 * A lock that takes over the keys of one that is still held, for whoever has it next in this process: it is there when
 * that one is given back. Until then it protects the one that is held, and nobody has it.
 *
 * That is safe because no key expires any sooner for it (see {@link mayInherit}), and because nothing of it is given back
 * before nobody can count on the one that is held (see `Contention.ended`).
 */
export class Heir {
  readonly #wish: Wish;
  readonly #clock: Clock;
  readonly #askedAtMs: number;
  #isAnswered = false;
  #won: Won | undefined;

  /** @param answered hears once what came of it; undefined: the attempt failed in another way than attempts do */
  constructor(
    holder: Lock,
    wish: Wish,
    contention: Contention,
    clock: Clock,
    answered: (answer: Won | LostAttempt | undefined) => void,
  ) {
    this.#wish = wish;
    this.#clock = clock;
    this.#askedAtMs = clock.uptime();
    const asking = wish.attempt({ ...contention, ended: () => unprotected(holder) });
    const settle = (answer: Won | LostAttempt | undefined) => {
      this.#isAnswered = true;
      if (answer?.outcome === 'acquired') this.#won = answer;
      answered(answer);
      return this.lock;
    };
    const lock = asking.then(settle, () => settle(undefined));
    bequeath(holder, { lock, ttl: wish.ttl });
  }

  /** Whether it is known what came of it. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** What came of it, if it is a lock. It may have ended by now. */
  get lock(): Lock | undefined {
    return this.#won?.lock;
  }

  /** What nodes say of the lock before it: where the heir has the keys by now, that one has none. */
  get taken(): readonly NodeVote[] | undefined {
    const remainingTtl = this.#wish.ttl;
    return this.#won?.latest?.map((vote) =>
      vote.outcome === 'granted'
        ? { node: vote.node, latencyMs: vote.latencyMs, outcome: 'held', remainingTtl }
        : vote,
    );
  }

  /** Whether it is as good for somebody as a lock that is asked for now. */
  suits({ ttl }: Wish): boolean {
    const isFresh = this.#clock.uptime() - this.#askedAtMs <= ttl / FRESH;
    return ttl === this.#wish.ttl && isFresh && (this.lock?.remainingValidity() ?? 0) > 0;
  }
}

/**
 * Whether a lock that is held may have an heir, for somebody with that wish: no key may expire sooner for it, and the lock
 * must be likely to be given back before the heir is too old.
 *
 * @param expectedMs for how long it is likely to be held
 */
export function mayInherit(holder: Lock, { ttl }: Wish, expectedMs: number): boolean {
  // Whoever has had it for longer than was expected is not likely to give it back in a moment.
  const heldMs = fullValidityMs(holder) - holder.remainingValidity();
  return isAsGranted(holder) && ttl >= holder.ttl && Math.max(heldMs, expectedMs) <= ttl / FRESH;
}
