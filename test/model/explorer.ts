import type { NodeVote, Reply } from '../../src/base/vote.ts';
import { chooseToken, fenceKeyOf, queueKeyOf, waiterOf } from '../../src/quorum/fencing-token.ts';
import { majorityOf, tally } from '../../src/quorum/round.ts';
import { runBatch } from '../../src/testing/batch-model.ts';
import { KeyStore } from '../../src/testing/key-store.ts';
import { decode, encode, keysOf, type LockKeys, type Operation } from '../../src/wire/operation.ts';

/** A rule of the protocol that can be taken out, to see that the explorer misses it. */
type Weakening =
  /** CONFIRM does not look who owns the key. */
  | 'confirm without owner check'
  /** EXTEND takes an unowned key without looking at its counter. */
  | 'extend without counter check'
  /** A granted majority is enough; no node confirms the token. */
  | 'no confirm'
  /** ACQUIRE raises the counter by one, whatever the size of the block. */
  | 'counter raised by one'
  /** A lease that is out of tokens is handed over once more, with the number that follows. */
  | 'hand-over past the block'
  /** A process goes on with the numbers that follow its block, and asks no node. */
  | 'next block from memory'
  /** ADOPT takes a key that the node has lost. */
  | 'adoption of a lost key'
  /** ADOPT takes a key from any value. */
  | 'adoption from any value'
  /** ADOPT leaves the counter as the giver had it. */
  | 'adoption that raises no counter'
  /** All adopters of a lock have one value. */
  | 'adopters that share a value'
  /** A lock is adopted as soon as one node agrees. */
  | 'adoption by a minority'
  /** The giver's process still has the token, and those after it. */
  | 'giver that goes on';

export interface Exploration {
  readonly nodeCount: number;
  /** How many tokens each attempt asks for: one element an attempt. */
  readonly blocks: readonly number[];
  /** What the attempts may propose, above the nodes' present time; none below the size of a block. */
  readonly proposals: readonly number[];
  /** How many ACQUIREs of an attempt may reach their node twice. */
  readonly doubled: number;
  /** Whether the first attempt, if it wins, also extends its lock, once. So do those that adopt it. */
  readonly extends: boolean;
  /** How many processes are sent the lock of the first attempt, if it wins, or what one of them has adopted by then. */
  readonly adopters: number;
  /** Whether a key that no attempt owns may be reserved for one of them, at any moment. */
  readonly reserves: boolean;
  readonly weakening?: Weakening;
}

export interface Verdict {
  readonly states: number;
  /** The steps that lead to a broken promise; undefined if there are none. */
  readonly counterexample: readonly string[] | undefined;
}

/** The tokens of a lease. */
interface Block {
  readonly first: number;
  readonly last: number;
}

/** One node: who owns the key (0: no attempt, -n: it is reserved for attempt n) and the counter (0: none yet). */
interface NodeState {
  readonly owner: number;
  readonly counter: number;
}

/** What has come back to one attempt from one node, or is on its way. A refusal tells no more than silence does. */
interface Column {
  /** The counter that ACQUIRE was granted with. */
  readonly acquired: number | undefined;
  readonly isConfirmed: boolean;
  readonly isExtended: boolean;
  /** How often the node has done ACQUIRE: each may raise the counter, so this is what bounds the search. */
  readonly deliveries: number;
}

/** `given`: its process has handed the lock over to another one. */
type Phase = 'idle' | 'acquire' | 'confirm' | 'adopt' | 'won' | 'extend' | 'extended' | 'given' | 'over';

const WON: ReadonlySet<Phase> = new Set(['won', 'extend', 'extended', 'given'] as const);

/** An attempt to acquire a lock. The last ones are adopters: attempts to adopt what another one had. */
interface AttemptState {
  readonly phase: Phase;
  readonly proposal: number;
  readonly token: number;
  /** The highest token that had been won when it started, and when its extension or its adoption was sent. */
  readonly wonBefore: number;
  readonly wonBeforeExtending: number;
  /** The token of the caller that handed it over; 0 if none did. */
  readonly last: number;
  /** Of an adopter, the attempt whose lock it was sent, counted from 1; 0 if none. */
  readonly giver: number;
  readonly columns: readonly Column[];
}

interface State {
  readonly nodes: readonly NodeState[];
  readonly attempts: readonly AttemptState[];
  /** What the attempts that have won so far may give to their callers. */
  readonly won: readonly Block[];
}

interface Step {
  /** Tells what happens. Nearly all steps lead to where others have been. */
  readonly what: () => string;
  readonly next: State;
  readonly broken?: string;
}

/** How a state was reached first. */
interface Origin {
  readonly from: string;
  readonly what: () => string;
}

type Kind = 'acquire' | 'confirm' | 'extend' | 'adopt' | 'release';

/** What a node makes of a request. */
interface Result {
  readonly node: NodeState;
  readonly reply: Reply;
}

/** What an attempt asks, and what comes of it by the state of the node. */
interface Request {
  readonly operation: Operation;
  readonly results: Map<number, Result>;
}

/** More than any counter or token here, and more than any number of attempts. */
const MANY = 1_000;

const KEY = 'lock:k';
const FENCE = fenceKeyOf(KEY);
/** The lock that all attempts are about. */
const LOCK: LockKeys = { keys: [KEY], fences: [FENCE], queues: [queueKeyOf(KEY)] };
/** The nodes' time stands still: keys expire by a step of their own, at any moment. */
const NOW_US = 1_000_000_000;
const CLAMP_US = 1_000_000;
const NO_COLUMN: Column = { acquired: undefined, isConfirmed: false, isExtended: false, deliveries: 0 };

const MOST_DELIVERIES = 2;

/**
 * Tries every order of events there is: requests that arrive late, twice or never, answers that are lost or late,
 * keys that expire at any moment or are reserved for an attempt, from which an older one takes them. Nodes do what the script model does, which the conformance suite holds equal to the
 * Lua; attempts do what the tally and `fencing-token.ts` say. All tokens of a lease count as given when it is won: after every win the blocks must not overlap and must be in order,
 * and an extension that a majority agreed to must not come after a higher token. A lock that was handed over is adopted once at the most: the tokens from its last one on are
 * the adopter's then.
 */
export class Explorer {
  readonly #exploration: Exploration;
  readonly #requests: Readonly<Record<Kind, Map<number, Request>>> = {
    acquire: new Map(),
    confirm: new Map(),
    extend: new Map(),
    adopt: new Map(),
    release: new Map(),
  };

  constructor(exploration: Exploration) {
    this.#exploration = exploration;
  }

  run(): Verdict {
    const start = this.#start();
    const seen = new Map<string, Origin | undefined>([[keyOf(start), undefined]]);
    // Breadth first: the counterexample that is found is one of the shortest.
    const queue: { readonly state: State; readonly from: string }[] = [{ state: start, from: keyOf(start) }];
    for (const { state, from } of queue) {
      for (const { what, next, broken } of this.#steps(state)) {
        if (broken !== undefined) {
          return { states: seen.size, counterexample: [...pathTo(seen, from), what(), broken] };
        }
        const key = keyOf(next);
        if (seen.has(key)) continue;
        seen.set(key, { from, what });
        queue.push({ state: next, from: key });
      }
    }
    return { states: seen.size, counterexample: undefined };
  }

  #start(): State {
    const { nodeCount, blocks, adopters } = this.#exploration;
    const columns = Array.from({ length: nodeCount }, () => NO_COLUMN);
    return {
      nodes: columns.map(() => ({ owner: 0, counter: 0 })),
      attempts: Array.from({ length: blocks.length + adopters }, () => ({
        phase: 'idle' as const,
        proposal: 0,
        token: 0,
        wonBefore: 0,
        wonBeforeExtending: 0,
        last: 0,
        giver: 0,
        columns,
      })),
      won: [],
    };
  }

  *#steps(state: State): Generator<Step> {
    const nodes = distinctNodes(state);
    yield* this.#expiries(state, nodes);
    if (this.#exploration.reserves) yield* this.#reservations(state, nodes);
    for (const [index, attempt] of state.attempts.entries()) {
      const name = `attempt ${index + 1}`;
      if (attempt.phase === 'idle') {
        if (!this.#isNext(state, index)) continue;
        yield* this.#isAdopter(index)
          ? this.#adoptions(state, index, name)
          : this.#starts(state, index, name);
        continue;
      }
      yield* this.#arrivals(state, nodes, index, attempt, name);
      yield* this.#conclusions(state, index, attempt, name);
      if (this.#mayTravel(attempt, index)) yield* this.#givesAway(state, index, name);
      if (attempt.phase === 'won' && this.#extends(index)) {
        const wonBeforeExtending = highest(state.won.filter(({ last }) => last !== attempt.token));
        yield {
          what: () => `${name} sends EXTEND`,
          next: withAttempt(state, index, { ...attempt, phase: 'extend', wonBeforeExtending }),
        };
      }
      if (attempt.phase === 'won') yield* this.#weakenedHandOver(state, index, name);
    }
  }

  /** Attempts that ask for equal blocks are alike but for their names: the first one that is idle starts. So are adopters. */
  #isNext({ attempts }: State, index: number): boolean {
    const { blocks, adopters } = this.#exploration;
    // The first attempt is the one that is handed over.
    if (adopters > 0 && !this.#isAdopter(index)) return true;
    return !attempts.some(
      ({ phase }, other) => other < index && phase === 'idle' && blocks[other] === blocks[index],
    );
  }

  /** Adopters come after those that acquire. */
  #isAdopter(index: number): boolean {
    return index >= this.#exploration.blocks.length;
  }

  #extends(index: number): boolean {
    return this.#exploration.extends && (index === 0 || this.#isAdopter(index));
  }

  #mayTravel({ phase }: AttemptState, index: number): boolean {
    if (this.#exploration.adopters === 0 || (index > 0 && !this.#isAdopter(index))) return false;
    return WON.has(phase) && phase !== 'given';
  }

  /** The lowest token of a lease that was won. */
  #lowestOf(state: State, index: number): number {
    const { giver, token } = attemptOf(state, index);
    if (giver > 0) return attemptOf(state, giver - 1).last;
    return blockOf(token, this.#exploration.blocks[index] ?? 1).first;
  }

  /** A process hands its lock over, as the first of its callers or as the last one. */
  *#givesAway(state: State, index: number, name: string): Generator<Step> {
    const attempt = attemptOf(state, index);
    const columns = attempt.columns.map(cleared);
    for (const last of new Set([this.#lowestOf(state, index), attempt.token])) {
      const what = () => `${name} is handed over, with token ${last}`;
      yield { what, next: withAttempt(state, index, { ...attempt, phase: 'given', last, columns }) };
    }
  }

  /** A process that was sent a lock asks the nodes for it. */
  *#adoptions(state: State, index: number, name: string): Generator<Step> {
    const rise = this.#exploration.weakening === 'adoption that raises no counter' ? 0 : 1;
    const attempt = attemptOf(state, index);
    for (const [other, { phase, token }] of state.attempts.entries()) {
      if (phase !== 'given') continue;
      const giver = other + 1;
      const wonBeforeExtending = highest(state.won.filter(({ last }) => last !== token));
      yield {
        what: () => `${name} sends ADOPT of what attempt ${giver} had`,
        next: withAttempt(state, index, {
          ...attempt,
          phase: 'adopt',
          giver,
          token: token + rise,
          wonBeforeExtending,
        }),
      };
    }
  }

  *#expiries(state: State, nodes: Distinct): Generator<Step> {
    for (const [n, node] of nodes) {
      if (node.owner === 0) continue;
      const what = () => `the key expires on node ${n + 1}`;
      yield { what, next: withNode(state, n, { ...node, owner: 0 }) };
    }
  }

  /** A RELEASE calls a waiter, or a node moves a reservation: nothing but ACQUIRE comes of it. */
  *#reservations(state: State, nodes: Distinct): Generator<Step> {
    for (const [n, node] of nodes) {
      if (node.owner > 0) continue;
      for (const [index, { phase }] of state.attempts.entries()) {
        const owner = -1 - index;
        if (phase !== 'acquire' || node.owner === owner) continue;
        const what = () => `the key is reserved for attempt ${index + 1} on node ${n + 1}`;
        yield { what, next: withNode(state, n, { ...node, owner }) };
      }
    }
  }

  /** Tokens that a process gives to its callers, and that no node has given to it. */
  *#weakenedHandOver(state: State, index: number, name: string): Generator<Step> {
    const { weakening, blocks } = this.#exploration;
    if (weakening !== 'hand-over past the block' && weakening !== 'next block from memory') return;
    const count = weakening === 'next block from memory' ? (blocks[index] ?? 0) : 1;
    const { token } = attemptOf(state, index);
    if (state.won.some(({ last }) => last === token + count)) return;
    const own = { first: token + 1, last: token + count };
    const what = () => `${name} gives its callers tokens ${own.first} to ${own.last} as well`;
    const next = { ...state, won: sorted([...state.won, own]) };
    const other = state.won.find((block) => overlap(block, own));
    yield other === undefined
      ? { what, next }
      : { what, next, broken: `although tokens ${other.first} to ${other.last} had been won before` };
  }

  *#starts(state: State, index: number, name: string): Generator<Step> {
    const [attempt] = state.attempts.slice(index);
    if (attempt === undefined) return;
    for (const proposal of this.#exploration.proposals) {
      const wonBefore = highest(state.won);
      yield {
        what: () => `${name} sends ACQUIRE, proposing ${proposal}`,
        next: withAttempt(state, index, { ...attempt, phase: 'acquire', proposal, wonBefore }),
      };
    }
  }

  /** A request reaches a node: for the first time or again, in time or long after it mattered. */
  *#arrivals(
    state: State,
    nodes: Distinct,
    index: number,
    attempt: AttemptState,
    name: string,
  ): Generator<Step> {
    const { phase, token, giver } = attempt;
    for (const [n] of nodes) {
      const column = attempt.columns[n] ?? NO_COLUMN;
      if (giver > 0) {
        const adopt = this.#request('adopt', index, token, giver);
        yield* this.#arrival(state, index, n, adopt, name, column, (reply) =>
          phase === 'adopt' && reply.outcome === 'granted' ? extended(column) : column,
        );
      } else {
        yield* this.#acquirersArrivals(state, index, n, name);
      }
      // A lock may be handed over while its extension is under way.
      if (phase === 'extend' || phase === 'extended' || (phase === 'given' && this.#extends(index))) {
        const extend = this.#request('extend', index, token);
        yield* this.#arrival(state, index, n, extend, name, column, (reply) =>
          phase === 'extend' && reply.outcome === 'granted' ? extended(column) : column,
        );
      }
      if (phase === 'over') {
        const release = this.#request('release', index, 0);
        yield* this.#arrival(state, index, n, release, name, column, () => column);
      }
    }
  }

  /** ACQUIRE and CONFIRM. */
  *#acquirersArrivals(state: State, index: number, n: number, name: string): Generator<Step> {
    const { phase, token, proposal, columns } = attemptOf(state, index);
    const column = columns[n] ?? NO_COLUMN;
    const again = { ...column, deliveries: column.deliveries + 1 };
    const doubled = columns.filter(({ deliveries }) => deliveries > 1).length;
    const mayDouble = again.deliveries === 1 || doubled < this.#exploration.doubled;
    if (again.deliveries <= MOST_DELIVERIES && mayDouble) {
      const acquire = this.#request('acquire', index, proposal);
      yield* this.#arrival(state, index, n, acquire, name, again, (reply) =>
        phase === 'acquire' && reply.outcome === 'granted'
          ? { ...again, acquired: reply.counter - NOW_US }
          : again,
      );
    }
    if (phase !== 'acquire' && token > 0) {
      const confirm = this.#request('confirm', index, token);
      yield* this.#arrival(state, index, n, confirm, name, column, (reply) =>
        phase === 'confirm' && reply.outcome === 'granted' ? confirmed(column) : column,
      );
    }
  }

  /** What an attempt asks of nodes: the same for all of them, and asked very often. */
  #request(kind: Kind, index: number, number: number, giver = 0): Request {
    const key = (giver * MANY + index) * MANY + number;
    const known = this.#requests[kind].get(key);
    if (known !== undefined) return known;
    const request = { operation: this.#operation(kind, index, number, giver), results: new Map() };
    this.#requests[kind].set(key, request);
    return request;
  }

  #operation(kind: Kind, index: number, number: number, giver: number): Operation {
    const isShared = this.#exploration.weakening === 'adopters that share a value' && this.#isAdopter(index);
    const lock = { ...LOCK, value: `v${isShared ? this.#exploration.blocks.length + 1 : index + 1}` };
    const waiter = this.#exploration.reserves ? { member: memberOf(index), since: index + 1 } : undefined;
    switch (kind) {
      case 'acquire':
        return { ...lock, kind, ttl: 1_000, proposal: NOW_US + number, waiter };
      case 'confirm':
        return { ...lock, kind, token: NOW_US + number };
      case 'extend':
        return { ...lock, kind, ttl: 1_000, token: NOW_US + number };
      case 'adopt':
        return { ...lock, kind: 'extend', ttl: 1_000, token: NOW_US + number, previous: `v${giver}` };
      case 'release':
        return { ...lock, kind };
    }
  }

  *#arrival(
    state: State,
    index: number,
    n: number,
    request: Request,
    name: string,
    unheard: Column,
    answer: (reply: Reply) => Column,
  ): Generator<Step> {
    const before = state.nodes[n];
    if (before === undefined) return;
    const { node, reply } = this.#execute(before, request, this.#exploration.blocks[index] ?? 1);
    const what = () => `node ${n + 1} does ${nameOf(request.operation)} of ${name}: ${describe(reply)}`;
    const isNodeAsBefore = node.owner === before.owner && node.counter === before.counter;
    const after = isNodeAsBefore ? state : withNode(state, n, node);
    const isNothingNew = isNodeAsBefore && attemptOf(state, index).columns[n] === unheard;
    const next = isNothingNew ? state : withColumn(after, index, n, unheard);
    // The answer gets lost or is late, … Half of all arrivals change nothing: they lead nowhere.
    if (!isNothingNew) yield { what: () => `${what()}, and the answer is lost`, next };
    const column = answer(reply);
    // … or comes back, and is heard at any moment from now on.
    if (column !== unheard) yield { what, next: withColumn(next, index, n, column) };
  }

  /** An attempt has heard enough, of whichever nodes, or gives up. */
  *#conclusions(state: State, index: number, attempt: AttemptState, name: string): Generator<Step> {
    const { columns, phase } = attempt;
    if (phase === 'acquire' || phase === 'confirm' || phase === 'adopt') {
      yield { what: () => `${name} has lost`, next: ended(state, index) };
    }
    if (phase === 'acquire') {
      for (const heard of this.#majorities(columns, ({ acquired }) => acquired !== undefined)) {
        yield this.#concludeAcquire(state, index, heard, name);
      }
    }
    if (phase === 'confirm' && this.#majorities(columns, ({ isConfirmed }) => isConfirmed).length > 0) {
      yield this.#win(state, index, attempt.token, name);
    }
    if (phase === 'extend' && this.#majorities(columns, ({ isExtended }) => isExtended).length > 0) {
      yield this.#concludeExtend(state, index, name);
    }
    if (phase === 'adopt') {
      const agreed = columns.filter(({ isExtended }) => isExtended).length;
      const { nodeCount, weakening } = this.#exploration;
      const isEnough = weakening === 'adoption by a minority' ? agreed > 0 : agreed >= majorityOf(nodeCount);
      if (isEnough) yield this.#adopt(state, index, name);
    }
  }

  /** All sets of nodes that are just large enough to decide, and that all said yes. */
  #majorities(
    columns: readonly Column[],
    saidYes: (column: Column) => boolean,
  ): readonly ReadonlySet<number>[] {
    const { nodeCount } = this.#exploration;
    const yes = columns.flatMap((column, n) => (saidYes(column) ? [n] : []));
    return subsets(yes).filter(
      ({ size }) => tally(nodeCount, size, 0) === 'won' && tally(nodeCount, size - 1, 0) === 'undecided',
    );
  }

  #concludeAcquire(state: State, index: number, heard: ReadonlySet<number>, name: string): Step {
    const { nodeCount, weakening } = this.#exploration;
    const attempt = attemptOf(state, index);
    const votes = attempt.columns.map(({ acquired }, n) => voteOf(n, heard.has(n) ? acquired : undefined));
    const choice = chooseToken(votes);
    const token = choice.token - NOW_US;
    if (choice.confirmed >= majorityOf(nodeCount) || weakening === 'no confirm') {
      return this.#win(state, index, token, name);
    }
    const columns = attempt.columns.map((column, n) => ({
      ...cleared(column),
      isConfirmed: heard.has(n) && column.acquired === token,
    }));
    return {
      what: () => `${name} was granted, and sends CONFIRM of ${token}`,
      next: withAttempt(state, index, { ...attempt, phase: 'confirm', token, columns }),
    };
  }

  #concludeExtend(state: State, index: number, name: string): Step {
    const attempt = attemptOf(state, index);
    const columns = attempt.columns.map(cleared);
    const next = withAttempt(state, index, { ...attempt, phase: 'extended', columns });
    const step = { what: () => `${name} has extended token ${attempt.token}`, next };
    if (attempt.wonBeforeExtending < attempt.token) return step;
    return {
      ...step,
      broken: `although token ${attempt.wonBeforeExtending} had been won before EXTEND was sent`,
    };
  }

  /** The adopter has the tokens from the last one that its giver's process gave to a caller. */
  #adopt(state: State, index: number, name: string): Step {
    const attempt = attemptOf(state, index);
    const { token, giver, wonBeforeExtending } = attempt;
    const given = attemptOf(state, giver - 1);
    const { token: counter, last } = given;
    const block = { first: last, last: token };
    const isAdopted = state.attempts.some((other) => other.giver === giver && WON.has(other.phase));
    const goesOn = isAdopted || this.#exploration.weakening === 'giver that goes on';
    const won = state.won.flatMap((other) => {
      if (other.last !== counter || goesOn) return [other];
      return other.first < last ? [{ first: other.first, last: last - 1 }] : [];
    });
    const columns = attempt.columns.map(cleared);
    const next = {
      ...withAttempt(state, index, { ...attempt, phase: 'won', columns }),
      won: sorted([...won, block]),
    };
    const step = { what: () => `${name} has adopted tokens ${block.first} to ${block.last}`, next };
    const other = won.find((earlier) => overlap(earlier, block));
    if (other !== undefined) {
      return { ...step, broken: `although tokens ${other.first} to ${other.last} had been won before` };
    }
    if (wonBeforeExtending <= counter) return step;
    return { ...step, broken: `although token ${wonBeforeExtending} had been won before ADOPT was sent` };
  }

  #win(state: State, index: number, token: number, name: string): Step {
    const attempt = attemptOf(state, index);
    const won = withAttempt(state, index, {
      ...attempt,
      phase: 'won',
      token,
      columns: attempt.columns.map(cleared),
    });
    const block = blockOf(token, this.#exploration.blocks[index] ?? 1);
    const next = { ...won, won: sorted([...state.won, block]) };
    const step = { what: () => `${name} has won tokens ${block.first} to ${block.last}`, next };
    const other = state.won.find((earlier) => overlap(earlier, block));
    if (other !== undefined) {
      return { ...step, broken: `although tokens ${other.first} to ${other.last} had been won before` };
    }
    if (block.first > attempt.wonBefore) return step;
    return { ...step, broken: `although token ${attempt.wonBefore} had been won before it started` };
  }

  /** What a node makes of a request, by the model of the script. */
  #execute(node: NodeState, { operation, results }: Request, block: number): Result {
    const { weakening } = this.#exploration;
    const key = node.owner * MANY + node.counter;
    const known = results.get(key);
    if (known !== undefined) return known;
    const store = new KeyStore(() => NOW_US / 1_000);
    const owned = this.#ownerSeenBy(operation, node.owner);
    if (owned !== undefined) store.set(KEY, owned, '1000');
    const hidesCounter = weakening === 'extend without counter check' && operation.kind === 'extend';
    if (node.counter > 0 && !hidesCounter) store.set(FENCE, String(NOW_US + node.counter), '3600000');
    const rise = weakening === 'counter raised by one' ? 1 : block;
    const header = [` 1000 ${CLAMP_US} 3600000 50 ${rise}`, NOW_US + CLAMP_US];
    const args = [...header, ...encode(operation, true)].map(String);
    const server = { store, runId: 'r', timeUs: NOW_US, publish: () => 1 };
    const [, answer] = runBatch(server, keysOf(operation), args);
    const reply = decode(answer);
    const isRefused = reply.outcome !== 'granted';
    const counter = Number(store.get(FENCE) ?? NOW_US) - NOW_US;
    const after = {
      owner: isRefused || operation.kind === 'confirm' ? node.owner : ownerOf(store.get(KEY)),
      counter: hidesCounter ? Math.max(node.counter, counter) : counter,
    };
    const result = { node: after, reply };
    results.set(key, result);
    return result;
  }

  /** Without its owner check, CONFIRM takes any owner of the key for the one it asks for. So does ADOPT. */
  #ownerSeenBy(operation: Operation, owner: number): string | undefined {
    const { weakening } = this.#exploration;
    if (weakening === 'confirm without owner check' && operation.kind === 'confirm') return operation.value;
    if (operation.kind === 'extend' && operation.previous !== undefined) {
      if (weakening === 'adoption of a lost key' && owner === 0) return operation.previous;
      if (weakening === 'adoption from any value' && owner !== 0) return operation.previous;
    }
    if (owner === 0) return undefined;
    return owner > 0 ? `v${owner}` : `~${memberOf(-owner - 1)}:${-owner}`;
  }
}

function memberOf(index: number): string {
  return `p.${index + 1}`;
}

/** Who owns the key with this value, see `NodeState`. */
function ownerOf(value: string | undefined): number {
  if (value === undefined) return 0;
  const waiter = waiterOf(value);
  const number = Number(/\d+$/.exec(waiter ?? value)?.[0]);
  return waiter === undefined ? number : -number;
}

/** The tokens that a lease gives to its callers, one after the other: the highest is the one that the nodes know. */
function blockOf(token: number, size: number): Block {
  return { first: token - size + 1, last: token };
}

function overlap(one: Block, other: Block): boolean {
  return one.first <= other.last && other.first <= one.last;
}

/** The highest token of all of them; 0 if there is none. */
function highest(blocks: readonly Block[]): number {
  return Math.max(0, ...blocks.map(({ last }) => last));
}

function sorted(blocks: readonly Block[]): readonly Block[] {
  return blocks.toSorted((a, b) => a.last - b.last);
}

function voteOf(n: number, acquired: number | undefined): NodeVote {
  const node = `node ${n + 1}`;
  if (acquired === undefined) return { outcome: 'pending', node, latencyMs: undefined };
  return { outcome: 'granted', counter: NOW_US + acquired, node, latencyMs: 1 };
}

/** Nothing of what came back counts any more. */
function cleared({ deliveries }: Column): Column {
  return { ...NO_COLUMN, deliveries };
}

function confirmed(column: Column): Column {
  return column.isConfirmed ? column : { ...column, isConfirmed: true };
}

function extended(column: Column): Column {
  return column.isExtended ? column : { ...column, isExtended: true };
}

function subsets(list: readonly number[]): readonly ReadonlySet<number>[] {
  const [first, ...others] = list;
  if (first === undefined) return [new Set()];
  const rest = subsets(others);
  return rest.concat(rest.map((set) => new Set([first, ...set])));
}

function attemptOf(state: State, index: number): AttemptState {
  const attempt = state.attempts[index];
  if (attempt === undefined) throw new Error(`there is no attempt ${index}`);
  return attempt;
}

function withNode(state: State, n: number, node: NodeState): State {
  return { ...state, nodes: state.nodes.map((old, i) => (i === n ? node : old)) };
}

function withAttempt(state: State, index: number, attempt: AttemptState): State {
  return { ...state, attempts: state.attempts.map((old, i) => (i === index ? attempt : old)) };
}

function withColumn(state: State, index: number, n: number, column: Column): State {
  const attempt = attemptOf(state, index);
  const columns = attempt.columns.map((old, i) => (i === n ? column : old));
  return withAttempt(state, index, { ...attempt, columns });
}

/** The attempt has lost: nothing is heard any more, its requests may still arrive, and so may its RELEASE. */
function ended(state: State, index: number): State {
  const attempt = attemptOf(state, index);
  const columns = attempt.columns.map(cleared);
  return withAttempt(state, index, { ...attempt, phase: 'over', columns });
}

const PHASES: readonly Phase[] = [
  ...(['idle', 'acquire', 'confirm', 'adopt', 'won', 'extend', 'extended', 'given', 'over'] as const),
];

/** States that differ only in which node is which are one. All numbers are small, so that each is a character. */
function keyOf(state: State): string {
  const { attempts, won } = state;
  const codes: number[] = [];
  for (const { phase, proposal, token, wonBefore, wonBeforeExtending, last, giver } of attempts)
    codes.push(PHASES.indexOf(phase), proposal, token, wonBefore, wonBeforeExtending, last, giver);
  for (const { first, last } of won) codes.push(first, last);
  return [...textsOfNodes(state).sort(), String.fromCharCode(...codes)].join('');
}

/** Nodes, each with its place among all. */
type Distinct = readonly (readonly [n: number, node: NodeState])[];

/** The first one of all nodes that are alike: what happens at another one leads to where others have been. */
function distinctNodes(state: State): Distinct {
  const texts = textsOfNodes(state);
  return state.nodes
    .map((node, n) => [n, node] as const)
    .filter(([n]) => texts.indexOf(texts[n] ?? '') === n);
}

/** All that there is about each node: the same for nodes that are alike. */
function textsOfNodes({ nodes, attempts }: State): string[] {
  return nodes.map(({ owner, counter }, n) => {
    const codes = [owner + attempts.length, counter];
    for (const { columns } of attempts) {
      const { acquired = 0, isConfirmed, isExtended, deliveries } = columns[n] ?? NO_COLUMN;
      codes.push(acquired, deliveries * 4 + (isConfirmed ? 2 : 0) + (isExtended ? 1 : 0));
    }
    return String.fromCharCode(...codes);
  });
}

function pathTo(seen: ReadonlyMap<string, Origin | undefined>, key: string): readonly string[] {
  const path: string[] = [];
  for (let step = seen.get(key); step !== undefined; step = seen.get(step.from)) path.unshift(step.what());
  return path;
}

function nameOf(operation: Operation): string {
  const isAdoption = operation.kind === 'extend' && operation.previous !== undefined;
  return isAdoption ? 'ADOPT' : operation.kind.toUpperCase();
}

function describe(reply: Reply): string {
  return reply.outcome === 'granted' ? `granted, counter ${reply.counter - NOW_US}` : reply.outcome;
}
