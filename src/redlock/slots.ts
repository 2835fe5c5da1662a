import type { Random } from '../base/random.ts';
import type { NodeVote } from '../base/vote.ts';
import type { Attempt, Attempts } from '../lock/attempts.ts';
import { isReserved, reservedFor } from '../quorum/fencing-token.ts';
import type { Quorum } from '../quorum/quorum.ts';
import { type ContendOptions, majorityOf } from '../quorum/round.ts';
import { freeInMs } from '../waiting/backoff.ts';
import type { LockKeys } from '../wire/operation.ts';
import type { LockSpec } from './acquirer.ts';

/** How often an attempt looks for another free slot after its own choice turned out to be taken. */
const MOST_LOOKS = 3;

/** What slots need of their Redlock. */
export interface SlotsSettings {
  readonly quorum: Quorum;
  readonly random: Random;
  readonly attempts: Attempts;
  /** How long a node has to answer when a slot is looked at, in milliseconds. */
  readonly handshakeTimeout: number;
  /** The keys of some of the slots. */
  keysOf(slots: readonly number[]): LockKeys;
}

/** A slot as the nodes know it. */
interface SlotStatus {
  readonly slot: number;
  /** The number of nodes at which the slot is free, or reserved for this waiter. */
  readonly openAt: number;
  readonly votes: readonly NodeVote[];
  /** When it may be free if its holder does not release it, in milliseconds from now. */
  readonly freeInMs: number;
}

/**
 * The slots of a semaphore. A caller first tries a random slot that, as far as is known, is not used in this process.
 * If the slot is taken, the caller looks at all slots and tries a free one. A waiter that was notified looks first,
 * since a notification does not name the reserved slot.
 */
export class Slots {
  readonly #resource: string;
  readonly #all: readonly number[];
  readonly #settings: SlotsSettings;
  /** The callers of this process, by slot, that try for it or, as far as is known, have it. */
  readonly #users = new Map<number, number>();

  constructor(resource: string, size: number, settings: SlotsSettings) {
    this.#resource = resource;
    this.#all = Array.from({ length: size }, (_, slot) => slot);
    this.#settings = settings;
  }

  /** The lock spec of one caller. */
  spec(): LockSpec {
    let hasTried = false;
    return {
      resources: [this.#resource],
      target: this.#settings.keysOf(this.#all),
      attempt: (ttl, contend) => {
        const isFirst = !hasTried;
        hasTried = true;
        return this.#attempt(isFirst, ttl, contend);
      },
    };
  }

  async #attempt(isFirst: boolean, ttl: number, contend: ContendOptions | undefined): Promise<Attempt> {
    const member = contend?.waiter?.member;
    let slot = this.#unused();
    if (!isFirst) slot = mostOpen(await this.#look(member))?.slot ?? slot;
    for (let looks = 0; ; looks += 1) {
      const result = await this.#try(slot, ttl, contend);
      if (result.outcome !== 'held' || looks === MOST_LOOKS) return result;
      const statuses = await this.#look(member);
      const next = mostOpen(statuses);
      if (next === undefined || next.openAt < majorityOf(this.#settings.quorum.size)) {
        const [soonest] = [...statuses].sort((a, b) => a.freeInMs - b.freeInMs);
        return { outcome: 'held', votes: soonest?.votes ?? result.votes };
      }
      slot = next.slot;
    }
  }

  async #try(slot: number, ttl: number, contend: ContendOptions | undefined): Promise<Attempt> {
    const { attempts, keysOf } = this.#settings;
    this.#users.set(slot, (this.#users.get(slot) ?? 0) + 1);
    const terms = {
      resources: [this.#resource],
      target: keysOf([slot]),
      ttl,
      ended: () => this.#leave(slot),
    };
    const result = await attempts.make(terms, contend);
    if (result.outcome !== 'acquired') this.#leave(slot);
    return result;
  }

  #leave(slot: number): void {
    const users = this.#users.get(slot) ?? 0;
    if (users > 1) this.#users.set(slot, users - 1);
    else this.#users.delete(slot);
  }

  /** The status of every slot for the waiter of this name; in random order, but unused ones first. Changes nothing. */
  async #look(member: string | undefined): Promise<readonly SlotStatus[]> {
    const { quorum, keysOf, handshakeTimeout } = this.#settings;
    const statuses = this.#inRandomOrder().map(async (slot) => {
      const { keys } = keysOf([slot]);
      return statusOf(slot, await quorum.inspect({ keys, fences: [], queues: [] }, handshakeTimeout), member);
    });
    return Promise.all(statuses);
  }

  /** A slot that this process does not use, if there is one. */
  #unused(): number {
    return this.#inRandomOrder()[0] ?? 0;
  }

  #inRandomOrder(): readonly number[] {
    const { random } = this.#settings;
    return this.#all
      .map((slot) => ({ slot, place: random.fraction() + (this.#users.get(slot) ?? 0) }))
      .sort((a, b) => a.place - b.place)
      .map(({ slot }) => slot);
  }
}

/** The first of the slots that are open at most nodes. */
function mostOpen(statuses: readonly SlotStatus[]): SlotStatus | undefined {
  const most = Math.max(...statuses.map(({ openAt }) => openAt));
  return statuses.find(({ openAt }) => openAt === most);
}

function statusOf(slot: number, votes: readonly NodeVote[], member: string | undefined): SlotStatus {
  let openAt = 0;
  const held: NodeVote[] = [];
  for (const vote of votes) {
    const value = vote.outcome === 'held' ? (vote.value ?? '') : '';
    if (vote.outcome === 'missing' || (member !== undefined && value === reservedFor(member))) openAt += 1;
    // A waiter that was notified takes its slot soon, or the node notifies the next one.
    else if (!isReserved(value)) held.push(vote);
  }
  const others = votes.map((vote) => (held.includes(vote) ? vote : { ...vote, outcome: 'pending' as const }));
  return { slot, openAt, votes, freeInMs: freeInMs(others) };
}
