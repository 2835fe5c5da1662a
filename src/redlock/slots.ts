import type { Random } from '../base/random.ts';
import type { NodeVote } from '../base/vote.ts';
import type { Attempt } from '../lock/attempt.ts';
import { isKept } from '../quorum/fencing.ts';
import type { Contention, Quorum } from '../quorum/quorum.ts';
import { majorityOf } from '../quorum/tally.ts';
import type { LockKeys } from '../wire/operation.ts';
import type { Demand } from './acquirer.ts';
import type { Attempts } from './attempts.ts';
import { freeInMs } from './patience.ts';

/** An attempt looks so often for other slots that are free, after those it had chosen turned out to be taken. */
const MOST_LOOKS = 3;

/** What slots need of their Redlock. */
export interface SlotsSettings {
  readonly quorum: Quorum;
  readonly random: Random;
  readonly attempts: Attempts;
  /** How long a node has to answer when it is looked at, in milliseconds. */
  readonly lookTimeout: number;
  /** The keys of some of the slots. */
  keysOf(slots: readonly number[]): LockKeys;
}

/** A slot as the nodes know it. */
interface Sight {
  readonly slot: number;
  /** At how many nodes somebody could have it. */
  readonly openAt: number;
  readonly votes: readonly NodeVote[];
  /** When it may be free if nobody gives it back, in milliseconds from now. */
  readonly freeInMs: number;
}

/**
 * The slots of a semaphore. Who wants some tries those that nobody of this process is known to have, at random; if they
 * are taken it looks at all of them, and tries those that are free. Who is called looks first, since a call does not say
 * which slot is kept.
 */
export class Slots {
  readonly #resource: string;
  readonly #size: number;
  readonly #settings: SlotsSettings;
  /** How many of this process try for a slot or, as far as is known, have it. */
  readonly #users = new Map<number, number>();

  constructor(resource: string, size: number, settings: SlotsSettings) {
    this.#resource = resource;
    this.#size = size;
    this.#settings = settings;
  }

  /** What a caller asks for who wants so many. */
  demand(count: number): Demand {
    let hasTried = false;
    return {
      resources: [this.#resource],
      target: this.#settings.keysOf(this.#all()),
      attempt: (ttl, contention) => {
        const isFirst = !hasTried;
        hasTried = true;
        return this.#attempt(count, isFirst, ttl, contention);
      },
    };
  }

  async #attempt(
    count: number,
    isFirst: boolean,
    ttl: number,
    contention: Contention | undefined,
  ): Promise<Attempt> {
    const member = contention?.waiter?.member;
    let slots = isFirst ? this.#unused(count) : likeliest(await this.#look(member), count);
    for (let looks = 0; ; looks += 1) {
      const result = await this.#try(slots, ttl, contention);
      if (result.outcome !== 'held' || looks === MOST_LOOKS) return result;
      const sights = await this.#look(member);
      const majority = majorityOf(this.#settings.quorum.size);
      const open = sights.filter(({ openAt }) => openAt >= majority);
      if (open.length < count) {
        const awaited = [...sights].sort((a, b) => a.freeInMs - b.freeInMs)[count - 1];
        return { outcome: 'held', votes: awaited?.votes ?? result.votes };
      }
      slots = likeliest(open, count);
    }
  }

  async #try(slots: readonly number[], ttl: number, contention: Contention | undefined): Promise<Attempt> {
    const { attempts, keysOf } = this.#settings;
    for (const slot of slots) this.#users.set(slot, (this.#users.get(slot) ?? 0) + 1);
    const target = keysOf(slots);
    const result = await attempts.make({ resources: [this.#resource], target, ttl }, contention, () =>
      this.#leave(slots),
    );
    if (result.outcome !== 'acquired') this.#leave(slots);
    return result;
  }

  #leave(slots: readonly number[]): void {
    for (const slot of slots) {
      const users = this.#users.get(slot) ?? 0;
      if (users > 1) this.#users.set(slot, users - 1);
      else this.#users.delete(slot);
    }
  }

  /** How the nodes see every slot, in random order, for the waiter of this name. Changes nothing. */
  async #look(member: string | undefined): Promise<readonly Sight[]> {
    const { quorum, keysOf, lookTimeout } = this.#settings;
    const sights = this.#all().map(async (slot) => {
      const { keys } = keysOf([slot]);
      return sightOf(slot, await quorum.inspect({ keys, fences: [], queues: [] }, lookTimeout), member);
    });
    return this.#shuffled(await Promise.all(sights));
  }

  /** So many slots that this process does not use, as far as there are any. */
  #unused(count: number): readonly number[] {
    const slots = this.#shuffled(this.#all());
    const isUsed = (slot: number) => (this.#users.has(slot) ? 1 : 0);
    return slots.sort((a, b) => isUsed(a) - isUsed(b)).slice(0, count);
  }

  #all(): readonly number[] {
    return Array.from({ length: this.#size }, (_, slot) => slot);
  }

  #shuffled<Item>(items: readonly Item[]): Item[] {
    const { random } = this.#settings;
    return items
      .map((item) => ({ item, place: random.fraction() }))
      .sort((a, b) => a.place - b.place)
      .map(({ item }) => item);
  }
}

/** Those that most nodes would give away. */
function likeliest(sights: readonly Sight[], count: number): readonly number[] {
  return [...sights]
    .sort((a, b) => b.openAt - a.openAt)
    .slice(0, count)
    .map(({ slot }) => slot);
}

function sightOf(slot: number, votes: readonly NodeVote[], member: string | undefined): Sight {
  let openAt = 0;
  const held: NodeVote[] = [];
  for (const vote of votes) {
    const value = vote.outcome === 'held' ? (vote.value ?? '') : '';
    if (vote.outcome === 'missing' || (member !== undefined && value === `~${member}`)) openAt += 1;
    // Who has been called comes soon, or is passed by a call to the next one.
    else if (!isKept(value)) held.push(vote);
  }
  const isOpen = openAt >= majorityOf(votes.length);
  const heldOf = votes.map((vote) => (held.includes(vote) ? vote : { ...vote, outcome: 'pending' as const }));
  return { slot, openAt, votes, freeInMs: isOpen ? 0 : freeInMs(heldOf) };
}
