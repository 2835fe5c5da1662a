import type { NodeVote, Reply } from '../../src/base/vote.ts';
import { chooseToken, fenceKeyOf, queueKeyOf } from '../../src/quorum/fencing.ts';
import { majorityOf, tally } from '../../src/quorum/tally.ts';
import { runBatch } from '../../src/testing/batch-model.ts';
import { KeyStore } from '../../src/testing/key-store.ts';
import { decode, encode, keysOf, type LockKeys, type Operation } from '../../src/wire/operation.ts';

/** A rule of the protocol that can be taken out, to see that the explorer misses it. */
type Weakening =
  /** CONFIRM does not look who owns the key. */
  | 'confirm without owner check'
  /** EXTEND takes an unowned key without looking at its counter. */
  | 'extend without counter check'
  /** A granted majority is enough; nobody confirms the token. */
  | 'no confirm';

export interface Exploration {
  readonly nodeCount: number;
  readonly attemptCount: number;
  /** What the attempts may propose, above the nodes' present time. */
  readonly proposals: readonly number[];
  /** How many ACQUIREs of an attempt may reach their node twice. */
  readonly doubled: number;
  /** Whether the first attempt, if it wins, also extends its lock, once. */
  readonly extends: boolean;
  readonly weakening?: Weakening;
}

export interface Verdict {
  readonly states: number;
  /** The steps that lead to a broken promise; undefined if there are none. */
  readonly counterexample: readonly string[] | undefined;
}

/** One node: who owns the key (0: nobody) and the counter (0: none yet). */
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

type Phase = 'idle' | 'acquire' | 'confirm' | 'won' | 'extend' | 'extended' | 'over';

interface AttemptState {
  readonly phase: Phase;
  readonly proposal: number;
  readonly token: number;
  /** The highest token that had been won when it started, and when its extension was sent. */
  readonly wonBefore: number;
  readonly wonBeforeExtending: number;
  readonly columns: readonly Column[];
}

interface State {
  readonly nodes: readonly NodeState[];
  readonly attempts: readonly AttemptState[];
  /** Tokens of the attempts that have won so far. */
  readonly won: readonly number[];
}

interface Step {
  readonly what: string;
  readonly next: State;
  readonly broken?: string;
}

const KEY = 'lock:k';
const FENCE = fenceKeyOf(KEY);
/** The lock that all attempts are about. Nobody waits for it. */
const LOCK: LockKeys = { keys: [KEY], fences: [FENCE], queues: [queueKeyOf(KEY)] };
/** The nodes' time stands still: keys expire by a step of their own, at any moment. */
const NOW_US = 1_000_000_000;
const CLAMP_US = 1_000_000;
const NO_COLUMN: Column = { acquired: undefined, isConfirmed: false, isExtended: false, deliveries: 0 };

const MOST_DELIVERIES = 2;

/**
 * Tries every order of events there is: requests that arrive late, twice or never, answers that are lost or late,
 * keys that expire at any moment. Nodes do what the script model does, which the conformance suite holds equal to the
 * Lua; attempts do what `tally.ts` and `fencing.ts` say. After every win the tokens must be unique and in order, and
 * an extension that a majority agreed to must not come after a higher token.
 */
export class Explorer {
  readonly #exploration: Exploration;
  readonly #replies = new Map<string, { readonly node: NodeState; readonly reply: Reply }>();

  constructor(exploration: Exploration) {
    this.#exploration = exploration;
  }

  run(): Verdict {
    const start = this.#start();
    const seen = new Map<string, { readonly from: string; readonly what: string } | undefined>();
    const startKey = keyOf(start);
    seen.set(startKey, undefined);
    // Breadth first: the counterexample that is found is one of the shortest.
    const queue: State[] = [start];
    for (const state of queue) {
      const from = keyOf(state);
      for (const { what, next, broken } of this.#steps(state)) {
        if (broken !== undefined) {
          return { states: seen.size, counterexample: [...pathTo(seen, from), what, broken] };
        }
        const key = keyOf(next);
        if (seen.has(key)) continue;
        seen.set(key, { from, what });
        queue.push(next);
      }
    }
    return { states: seen.size, counterexample: undefined };
  }

  #start(): State {
    const { nodeCount, attemptCount } = this.#exploration;
    const columns = Array.from({ length: nodeCount }, () => NO_COLUMN);
    return {
      nodes: columns.map(() => ({ owner: 0, counter: 0 })),
      attempts: Array.from({ length: attemptCount }, () => ({
        phase: 'idle' as const,
        proposal: 0,
        token: 0,
        wonBefore: 0,
        wonBeforeExtending: 0,
        columns,
      })),
      won: [],
    };
  }

  *#steps(state: State): Generator<Step> {
    yield* this.#expiries(state);
    for (const [index, attempt] of state.attempts.entries()) {
      const name = `attempt ${index + 1}`;
      if (attempt.phase === 'idle') {
        // Attempts are alike but for their names: the first idle one starts.
        if (index === 0 || state.attempts[index - 1]?.phase !== 'idle')
          yield* this.#starts(state, index, name);
        continue;
      }
      yield* this.#arrivals(state, index, attempt, name);
      yield* this.#conclusions(state, index, attempt, name);
      if (attempt.phase === 'won' && this.#exploration.extends && index === 0) {
        const wonBeforeExtending = Math.max(0, ...state.won.filter((token) => token !== attempt.token));
        yield {
          what: `${name} sends EXTEND`,
          next: withAttempt(state, index, { ...attempt, phase: 'extend', wonBeforeExtending }),
        };
      }
    }
  }

  *#expiries(state: State): Generator<Step> {
    for (const [n, node] of state.nodes.entries()) {
      if (node.owner === 0) continue;
      yield { what: `the key expires on node ${n + 1}`, next: withNode(state, n, { ...node, owner: 0 }) };
    }
  }

  *#starts(state: State, index: number, name: string): Generator<Step> {
    const [attempt] = state.attempts.slice(index);
    if (attempt === undefined) return;
    for (const proposal of this.#exploration.proposals) {
      const wonBefore = Math.max(0, ...state.won);
      yield {
        what: `${name} sends ACQUIRE, proposing ${proposal}`,
        next: withAttempt(state, index, { ...attempt, phase: 'acquire', proposal, wonBefore }),
      };
    }
  }

  /** A request reaches a node: for the first time or again, in time or long after it mattered. */
  *#arrivals(state: State, index: number, attempt: AttemptState, name: string): Generator<Step> {
    const value = `v${index + 1}`;
    const { phase, token } = attempt;
    for (const [n, column] of attempt.columns.entries()) {
      const acquire: Operation = {
        ...LOCK,
        kind: 'acquire',
        value,
        ttl: 1_000,
        proposal: NOW_US + attempt.proposal,
      };
      const again = { ...column, deliveries: column.deliveries + 1 };
      const doubled = attempt.columns.filter(({ deliveries }) => deliveries > 1).length;
      const mayDouble = again.deliveries === 1 || doubled < this.#exploration.doubled;
      if (again.deliveries <= MOST_DELIVERIES && mayDouble) {
        yield* this.#arrival(state, index, n, acquire, name, again, (reply) =>
          phase === 'acquire' && reply.outcome === 'granted'
            ? { ...again, acquired: reply.counter - NOW_US }
            : again,
        );
      }
      if (phase !== 'acquire' && token > 0) {
        const confirm: Operation = {
          ...LOCK,
          kind: 'confirm',
          value,
          token: NOW_US + token,
        };
        yield* this.#arrival(state, index, n, confirm, name, column, (reply) =>
          phase === 'confirm' && reply.outcome === 'granted' ? { ...column, isConfirmed: true } : column,
        );
      }
      if (phase === 'extend' || phase === 'extended') {
        const extend: Operation = {
          ...LOCK,
          kind: 'extend',
          value,
          ttl: 1_000,
          token: NOW_US + token,
        };
        yield* this.#arrival(state, index, n, extend, name, column, (reply) =>
          phase === 'extend' && reply.outcome === 'granted' ? { ...column, isExtended: true } : column,
        );
      }
      if (phase === 'over') {
        const release: Operation = { ...LOCK, kind: 'release', value };
        yield* this.#arrival(state, index, n, release, name, column, () => column);
      }
    }
  }

  *#arrival(
    state: State,
    index: number,
    n: number,
    operation: Operation,
    name: string,
    unheard: Column,
    answer: (reply: Reply) => Column,
  ): Generator<Step> {
    const before = state.nodes[n];
    if (before === undefined) return;
    const { node, reply } = this.#execute(before, operation);
    const what = `node ${n + 1} does ${operation.kind.toUpperCase()} of ${name}: ${describe(reply)}`;
    const next = withColumn(withNode(state, n, node), index, n, unheard);
    // The answer gets lost or is late, …
    yield { what: `${what}, and the answer is lost`, next };
    const column = answer(reply);
    // … or comes back, and is heard at any moment from now on.
    if (column !== unheard) yield { what, next: withColumn(next, index, n, column) };
  }

  /** An attempt has heard enough, of whichever nodes, or gives up. */
  *#conclusions(state: State, index: number, attempt: AttemptState, name: string): Generator<Step> {
    const { columns, phase } = attempt;
    if (phase === 'acquire' || phase === 'confirm') {
      yield { what: `${name} has lost`, next: ended(state, index) };
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
      what: `${name} was granted, and sends CONFIRM of ${token}`,
      next: withAttempt(state, index, { ...attempt, phase: 'confirm', token, columns }),
    };
  }

  #concludeExtend(state: State, index: number, name: string): Step {
    const attempt = attemptOf(state, index);
    const columns = attempt.columns.map(cleared);
    const next = withAttempt(state, index, { ...attempt, phase: 'extended', columns });
    const step = { what: `${name} has extended token ${attempt.token}`, next };
    if (attempt.wonBeforeExtending < attempt.token) return step;
    return {
      ...step,
      broken: `although token ${attempt.wonBeforeExtending} had been won before EXTEND was sent`,
    };
  }

  #win(state: State, index: number, token: number, name: string): Step {
    const attempt = attemptOf(state, index);
    const won = withAttempt(state, index, {
      ...attempt,
      phase: 'won',
      token,
      columns: attempt.columns.map(cleared),
    });
    const next = { ...won, won: [...state.won, token].sort((a, b) => a - b) };
    const step = { what: `${name} has won token ${token}`, next };
    if (state.won.includes(token)) return { ...step, broken: 'although that token had been won before' };
    if (token > attempt.wonBefore) return step;
    return { ...step, broken: `although token ${attempt.wonBefore} had been won before it started` };
  }

  /** What a node makes of a request, by the model of the script. */
  #execute(node: NodeState, operation: Operation) {
    const key = `${node.owner}/${node.counter}/${JSON.stringify(operation)}`;
    const known = this.#replies.get(key);
    if (known !== undefined) return known;
    const store = new KeyStore(() => NOW_US / 1_000);
    if (node.owner > 0) store.set(KEY, this.#ownerSeenBy(operation, node.owner), '1000');
    const hidesCounter =
      this.#exploration.weakening === 'extend without counter check' && operation.kind === 'extend';
    if (node.counter > 0 && !hidesCounter) store.set(FENCE, String(NOW_US + node.counter), '3600000');
    const header = [NOW_US + CLAMP_US, '', 1_000, CLAMP_US, 3_600_000, 50];
    const args = [...header, ...encode(operation, false)].map(String);
    const server = { store, runId: 'r', timeUs: NOW_US, publish: () => 0 };
    const [, answer] = runBatch(server, keysOf(operation), args);
    const owner = Number(store.get(KEY)?.slice(1) ?? 0);
    const counter = Number(store.get(FENCE) ?? NOW_US) - NOW_US;
    const after = {
      owner: operation.kind === 'confirm' ? node.owner : owner,
      counter: hidesCounter ? Math.max(node.counter, counter) : counter,
    };
    const result = { node: after, reply: decode(answer) };
    this.#replies.set(key, result);
    return result;
  }

  /** Without its owner check, CONFIRM takes whoever owns the key for the one it asks for. */
  #ownerSeenBy(operation: Operation, owner: number): string {
    const ignoresOwner =
      this.#exploration.weakening === 'confirm without owner check' && operation.kind === 'confirm';
    return ignoresOwner && operation.kind === 'confirm' ? operation.value : `v${owner}`;
  }
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

/** States that differ only in which node is which are one. */
function keyOf({ nodes, attempts, won }: State): string {
  const columns = nodes.map(({ owner, counter }, n) =>
    attempts.reduce((text, attempt) => {
      const { acquired = '', isConfirmed, isExtended, deliveries } = attempt.columns[n] ?? NO_COLUMN;
      return `${text},${acquired}${isConfirmed ? 'c' : ''}${isExtended ? 'e' : ''}:${deliveries}`;
    }, `${owner},${counter}`),
  );
  const heads = attempts.map(({ phase, proposal, token, wonBefore, wonBeforeExtending }) =>
    [phase, proposal, token, wonBefore, wonBeforeExtending].join(','),
  );
  return [columns.sort().join('|'), heads.join('|'), won.join(',')].join('#');
}

function pathTo(
  seen: ReadonlyMap<string, { readonly from: string; readonly what: string } | undefined>,
  key: string,
): readonly string[] {
  const path: string[] = [];
  for (let step = seen.get(key); step !== undefined; step = seen.get(step.from)) path.unshift(step.what);
  return path;
}

function describe(reply: Reply): string {
  return reply.outcome === 'granted' ? `granted, counter ${reply.counter - NOW_US}` : reply.outcome;
}
