import { processOf } from '../base/owner.ts';
import type { Random } from '../base/random.ts';
import type { NodeVote } from '../base/vote.ts';
import { type ContendOptions, type LossReason, lossReasonOf } from '../quorum/round.ts';
import { TOKENS_A_LEASE } from '../wire/operation.ts';
import { Lease, type LeaseDeps, type LeaseTerms, nodeTimeoutFor } from './lease.ts';

/** The result of one attempt to get a lock. */
export type Attempt =
  | {
      readonly outcome: 'acquired';
      readonly lease: Lease;
      readonly votes: readonly NodeVote[];
    }
  | {
      /** `expired`: granted, but nothing was left of the validity. */
      readonly outcome: LossReason | 'expired';
      readonly votes: readonly NodeVote[];
    };

/** What an attempt to adopt a lock needs to know of it; both tokens are 0 without fencing. */
export interface HandedTokens {
  /** The value that owns its keys. */
  readonly value: string;
  /** The token that its holder had. */
  readonly token: number;
  /** The highest token that the nodes know of it. */
  readonly counter: number;
}

/** What attempts need of their Redlock. */
export interface AttemptsSettings {
  readonly deps: LeaseDeps;
  readonly values: LockValues;
  /** How long nodes that turn out to be new have until they vote, in milliseconds. */
  readonly connectTimeout: number;
}

/** Makes attempts to get a lease, each with a lock value of its own. */
export class Attempts {
  readonly #settings: AttemptsSettings;

  constructor(settings: AttemptsSettings) {
    this.#settings = settings;
  }

  /**
   * Makes one attempt. If it gets no valid lease, its value is released on every node, also on those that answered
   * nothing. The caller does not wait for that.
   *
   * @param isLast whether it is made because the one before showed that nodes have lost their markers
   */
  async make(terms: Omit<LeaseTerms, 'value'>, contend?: ContendOptions, isLast = false): Promise<Attempt> {
    const { deps, values, connectTimeout } = this.#settings;
    const { quorum, releaseTimeout } = deps;
    const { resources, target, ttl, ended } = terms;
    const value = values.next();
    const grant = await quorum.acquire(target, value, ttl, nodeTimeoutFor(deps, ttl), contend);
    const { votes } = grant;
    if (grant.granted) {
      // A share is held beside others: it is not handed over in the process.
      const block = target.sharers === undefined ? TOKENS_A_LEASE : 1;
      const lease = new Lease(deps, { resources, target, ttl, value, ended }, grant, block);
      if (lease.remainingMs() > 0) return { outcome: 'acquired', lease, votes };
    }
    const waiter = contend?.waiter;
    quorum.background(quorum.rollBack(target, value, { votes, waiter }, releaseTimeout));
    const outcome = grant.granted ? 'expired' : lossReasonOf(votes);
    const mayBeNew = outcome === 'no-quorum' && contend === undefined && !quorum.isConnected;
    if (isLast || !mayBeNew) return { outcome, votes };
    // Only this attempt showed that nodes have lost their markers. They may be new, and vote in a moment; a caller that
    // does not wait learns of it here.
    await quorum.connected(connectTimeout);
    return await this.make(terms, contend, true);
  }

  /**
   * Makes the one attempt to take over a lock that another process has handed over. An extension gives its keys a
   * value of this process. So of several processes that were sent the lock one at the most gets it.
   *
   * With fencing it raises the counters by one. No extension by the process that had it, however late, brings the old
   * value back then. And the lease has one token more, which no other value can have.
   */
  async adopt(terms: Omit<LeaseTerms, 'value'>, handed: HandedTokens): Promise<Attempt> {
    const { deps, values } = this.#settings;
    const { target, ttl } = terms;
    const value = values.next();
    const counter = handed.counter === 0 ? 0 : handed.counter + 1;
    const { quorum, releaseTimeout } = deps;
    const grant = await quorum.extend(target, value, ttl, counter, nodeTimeoutFor(deps, ttl), handed.value);
    const { votes, granted } = grant;
    if (granted) {
      quorum.releaseLater(target, handed.value, votes);
      const lease = new Lease(deps, { ...terms, value }, grant, counter - handed.token + 1);
      if (lease.remainingMs() > 0) return { outcome: 'acquired', lease, votes };
    }
    quorum.background(quorum.rollBack(target, value, { votes, waiter: undefined }, releaseTimeout));
    return { outcome: granted ? 'expired' : lossReasonOf(votes), votes };
  }
}

/** Makes lock values: strings that no other attempt, of this process or another, ever uses. */
export class LockValues {
  /** The prefix of all of them: the name of this Redlock, which no other has. */
  readonly process: string;
  readonly #prefix: string;
  #count = 0;

  /** @param owner names this process to people, see {@link processOf} */
  constructor(random: Random, owner: string) {
    this.process = processOf(random.identifier(), owner);
    this.#prefix = `${this.process}.`;
  }

  next(): string {
    this.#count += 1;
    return this.#prefix + this.#count.toString(36);
  }
}
