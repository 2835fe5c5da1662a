import type { Random } from '../base/random.ts';
import type { NodeVote } from '../base/vote.ts';
import type { Attempt, Attempts } from '../lock/attempts.ts';
import { type ContendOptions, majorityOf, wasNeverSent } from '../quorum/round.ts';
import type { LockKeys } from '../wire/operation.ts';

/** How often an attempt asks for another slot that was open when its own choice was refused. */
const MOST_LOOKS = 3;

/** A semaphore, as one caller takes it to be. */
export interface SlotTerms {
  readonly resource: string;
  readonly permits: number;
  readonly ttl: number;
  keysOf(slot: number): LockKeys;
}

/**
 * Chooses slots of semaphores: at random one that this process does not use, or one that a refusal named. The nodes
 * decide.
 */
export class Slots {
  readonly #attempts: Pick<Attempts, 'make'>;
  readonly #random: Random;
  /** The slots that this process has or asks for, each with its semaphore. */
  readonly #used = new Set<string>();

  constructor(attempts: Pick<Attempts, 'make'>, random: Random) {
    this.#attempts = attempts;
    this.#random = random;
  }

  /** Makes one attempt: at the slot of the options or another one; where that is refused, at one that is open. */
  async attempt(terms: SlotTerms, contend: ContendOptions | undefined): Promise<Attempt> {
    const all = Array.from({ length: terms.permits }, (_, slot) => slot);
    // Anything may have published the slot that a notification names.
    const named = contend?.slot ?? terms.permits;
    let slot = named < terms.permits ? named : this.#choose(terms.resource, all);
    let before: Attempt | undefined;
    for (let looks = 0; ; looks += 1) {
      const attempt = await this.#try(slot, terms, contend);
      // Where no node was asked, what nodes said before tells more.
      if (before !== undefined && attempt.votes.every(wasNeverSent)) return before;
      if (attempt.outcome !== 'held' || looks === MOST_LOOKS) return attempt;
      before = attempt;
      const open = openSlots(attempt.votes);
      if (open.length === 0) return attempt;
      slot = this.#choose(terms.resource, open);
    }
  }

  async #try(slot: number, terms: SlotTerms, contend: ContendOptions | undefined): Promise<Attempt> {
    const { resource, ttl, keysOf } = terms;
    const name = `${slot} ${resource}`;
    this.#used.add(name);
    const ended = () => this.#used.delete(name);
    const target = keysOf(slot);
    const attempt = await this.#attempts.make({ resources: [resource], target, ttl, ended }, contend);
    if (attempt.outcome !== 'acquired') ended();
    return attempt;
  }

  #choose(resource: string, slots: readonly number[]): number {
    const unused = slots.filter((slot) => !this.#used.has(`${slot} ${resource}`));
    const from = unused.length > 0 ? unused : slots;
    return from[Math.floor(this.#random.fraction() * from.length)] ?? 0;
  }
}

/** The slots that are open, as a majority of all nodes says. */
function openSlots(votes: readonly NodeVote[]): readonly number[] {
  const openAt = new Map<number, number>();
  for (const vote of votes) {
    if (vote.outcome !== 'held') continue;
    for (const slot of vote.open ?? []) openAt.set(slot, (openAt.get(slot) ?? 0) + 1);
  }
  return [...openAt].filter(([, nodes]) => nodes >= majorityOf(votes.length)).map(([slot]) => slot);
}
