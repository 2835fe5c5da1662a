import type { Timer } from '../base/clock.ts';
import { describeSpan, plural, shorten } from '../base/describe.ts';
import type { NodeState } from '../base/diagnostics.ts';
import type { RedlockWarning } from '../base/warning.ts';
import type { Handshake } from '../node/marker.ts';
import type { Divergence, TimeReading } from '../node/node-time.ts';
import type { NodeChange } from './node-states.ts';
import { type MembershipSettings, quarantineMs } from './quarantine.ts';

/** Two readings of clocks are compared only if they were taken within this time: later a clock may have been set. */
const SAME_TIME_MS = 1_000;

/** A lasting fault is reported again after maxTtl, and no sooner than this. */
const SHORTEST_REPEAT_MS = 5_000;

/** The largest driftFactor that an option allows. */
const LARGEST_DRIFT_FACTOR = 0.5;

interface NodeWarningSettings
  extends Pick<MembershipSettings, 'clock' | 'driftFactor' | 'maxTtl' | 'nodeCount' | 'quota' | 'warn'> {
  upCount(): number;
}

/** How long a state lasts before it is told of: a shorter one is not worth a line. */
const LASTING_MS = 1_000;

/** The states that are told of, and their end. A wrong clock has a warning of its own. */
const CODES = {
  down: 'QUORLOCK_NODE_DOWN',
  quarantined: 'QUORLOCK_NODE_QUARANTINED',
  refused: 'QUORLOCK_NODE_REFUSED',
  slow: 'QUORLOCK_NODE_SLOW',
} as const satisfies Partial<Record<NodeState, RedlockWarning['code']>>;

const WORDS: Readonly<Record<NodeState, string>> = {
  connecting: 'being connected to',
  up: 'up',
  down: 'down',
  quarantined: 'in quarantine',
  refused: 'refused',
  slow: 'slow',
  clock: 'left out because of its clock',
};

/** A state that is about to be told of. */
interface Pending {
  readonly timer: Timer;
  told: Told;
  why(): string;
}

/** A state that is told of, and from when until when the node has been in it, by the uptime. */
interface Told {
  readonly state: keyof typeof CODES;
  readonly sinceMs: number;
  untilMs: number;
}

/** Warns of faults of single nodes or their clocks: of each once, or now and then while it lasts. */
export class NodeWarnings {
  readonly #settings: NodeWarningSettings;
  /** What is warned of once was warned of already: its code and, where it is about one node, the address. */
  readonly #toldOnce = new Set<string>();
  /** For each node until when the warning of its wrong clock is not repeated, by a clock that does not jump. */
  readonly #clockToldUntilMs = new Map<string, number>();
  /** For each node until when it is told of as slow only where that lasts. */
  readonly #slowToldUntilMs = new Map<string, number>();
  readonly #readings = new Map<string, TimeReading>();
  readonly #pending = new Map<string, Pending>();
  /** The states that were told of, and have not ended for as long as another one takes to be told of. */
  readonly #told = new Map<string, Told>();

  constructor(settings: NodeWarningSettings) {
    this.#settings = settings;
  }

  greeted(address: string, handshake: Handshake): void {
    const { evicts, evictionPolicy, deafness, runId } = handshake;
    if (evicts) {
      const how = `may evict locks when its memory is full (maxmemory-policy ${shorten(evictionPolicy)})`;
      this.#warnOnce(
        'QUORLOCK_EVICTION',
        `${shorten(address)} ${how}. Set maxmemory-policy to noeviction`,
        address,
      );
    }
    if (deafness !== undefined) {
      const message = `waiters do not hear ${address}, and ask it now and then instead: ${deafness}`;
      this.#warnOnce('QUORLOCK_SLOW_WAITING', message, address);
    }
    if (runId === '') {
      this.#warnOnce(
        'QUORLOCK_NO_RUN_ID',
        `${address} does not tell its run_id (INFO server). Quarantine can't work there, and it would not be noticed if two ` +
          "addresses led to it. Use a server that does; else say quarantine: 'off', and give every server once",
      );
    }
    this.#readings.set(address, handshake);
    this.#compareClocks(handshake);
  }

  #warnOnce(code: RedlockWarning['code'], message: string, address = ''): void {
    const what = `${code} ${address}`;
    if (this.#toldOnce.has(what)) return;
    this.#toldOnce.add(what);
    this.#settings.warn({ code, message });
  }

  /** Tells the end of the state before, and this one if it lasts. A node that goes back and forth is told of once. */
  nodeChanged({ node, state, why, before }: NodeChange): void {
    const { clock } = this.#settings;
    const nowMs = clock.uptime();
    const pending = this.#pending.get(node);
    const known = this.#told.get(node);
    if (known?.state === before) known.untilMs = nowMs;
    const isKnown = known?.state === state;
    if (isKnown || !isToldOf(state)) {
      pending?.timer.cancel();
      this.#pending.delete(node);
      if (!isKnown) this.#tellEnd(node, state);
      return;
    }
    const told = { state, sinceMs: nowMs, untilMs: nowMs };
    if (pending !== undefined) {
      Object.assign(pending, { told, why });
      return;
    }
    const timer = clock.after(LASTING_MS, () => this.#tell(node), { keepAlive: false });
    this.#pending.set(node, { timer, told, why });
  }

  /**
   * That a node is slow is certain: there is no need to wait. One whose answers come now in time and now too late is told
   * of like that now and then only.
   */
  tooSlow(node: string): void {
    const { clock, maxTtl } = this.#settings;
    const pending = this.#pending.get(node);
    const nowMs = clock.uptime();
    if (pending === undefined || nowMs < (this.#slowToldUntilMs.get(node) ?? Number.NEGATIVE_INFINITY))
      return;
    this.#slowToldUntilMs.set(node, nowMs + Math.max(maxTtl, SHORTEST_REPEAT_MS));
    pending.timer.cancel();
    this.#tell(node);
  }

  #tell(node: string): void {
    const pending = this.#pending.get(node);
    if (pending === undefined) return;
    const { told, why } = pending;
    this.#pending.delete(node);
    this.#tellEnd(node, told.state);
    this.#told.set(node, told);
    const message = `${shorten(node)} is ${WORDS[told.state]}: ${why()}. ${this.#votes()}`;
    this.#settings.warn({ code: CODES[told.state], message, node });
  }

  #tellEnd(node: string, state: NodeState): void {
    const told = this.#told.get(node);
    if (told === undefined) return;
    this.#told.delete(node);
    const lasted = describeSpan(told.untilMs - told.sinceMs);
    const now = state === 'up' ? 'votes again' : `is ${WORDS[state]} now`;
    const message = `${shorten(node)} was ${WORDS[told.state]} for ${lasted}, and ${now}. ${this.#votes()}`;
    this.#settings.warn({ code: CODES[told.state], message, node, isOver: true });
  }

  close(): void {
    for (const { timer } of this.#pending.values()) timer.cancel();
    this.#pending.clear();
  }

  #votes(): string {
    const { nodeCount, quota, upCount } = this.#settings;
    const up = upCount();
    const votes = `${up} of ${plural(nodeCount, 'node')} ${up === 1 ? 'votes' : 'vote'}, and ${quota} must`;
    if (up < quota) return `${votes}: there are no locks`;
    return up === quota ? `${votes}: one more failure, and there are no locks` : votes;
  }

  /** This program raises the ttl of the markers, in milliseconds, to its maxTtl. */
  raised(beforeTtl: number): void {
    const { maxTtl, driftFactor } = this.#settings;
    const [fromMs, toMs] = [beforeTtl, maxTtl].map((ttl) => Math.ceil(quarantineMs(ttl, driftFactor)));
    this.#warnOnce(
      'QUORLOCK_MAX_TTL',
      `maxTtl is ${maxTtl} ms here, and ${beforeTtl} ms in all programs of these nodes until now. A node that loses its ` +
        `memory does not vote for ${toMs} ms from now on, instead of ${fromMs} ms. Give all programs the same maxTtl; to go ` +
        'back to a shorter one, give it to all, and call initialize() when no lock is held',
    );
  }

  /**
   * A node's clock went wrong: told now and then while it lasts. `forMs`: for how long its votes do not count if it
   * is ahead.
   */
  clockDiverged(address: string, divergence: Divergence, forMs: number): void {
    const { clock, maxTtl, warn } = this.#settings;
    const nowMs = clock.monotonic();
    if (nowMs < (this.#clockToldUntilMs.get(address) ?? Number.NEGATIVE_INFINITY)) return;
    this.#clockToldUntilMs.set(address, nowMs + Math.max(maxTtl, SHORTEST_REPEAT_MS));
    const { byMs } = divergence;
    warn({
      code: 'QUORLOCK_CLOCK',
      message:
        `the clock of ${shorten(address)} ${this.#whatHappened(divergence)}. ` +
        (byMs > 0
          ? `Keys there may have ended early: its votes do not count for ${Math.round(forMs)} ms, and if the clocks of a majority say so, ` +
            'held locks end that much sooner. '
          : 'Keys there stay for longer; no held lock is in danger, and it goes on voting. ') +
        this.#whatToDo(divergence),
    });
  }

  #whatHappened({ byMs, withinMs }: Divergence): string {
    const { driftFactor } = this.#settings;
    const ms = Math.abs(Math.round(byMs));
    if (!isDrift({ byMs, withinMs }))
      return `is ${ms} ms ${byMs > 0 ? 'ahead of' : 'behind'} what it should be since it was last read`;
    const rate = `${Math.round(withinMs)} ms (${(Math.abs(byMs / withinMs) * 100).toFixed(1)} %)`;
    const how = byMs > 0 ? 'fast: it gained' : 'slow: it lost';
    return `is too ${how} ${ms} ms in ${rate}, which is more than driftFactor (${driftFactor}) allows`;
  }

  #whatToDo({ byMs, withinMs }: Divergence): string {
    const enough = Math.ceil((Math.abs(byMs) / withinMs) * 120) / 100;
    let more = '';
    if (!isDrift({ byMs, withinMs })) {
      if (byMs > 0) more = '. If all nodes are said to be ahead, this host was stopped for as long';
      return `Have its clock slewed, not stepped${more}`;
    }
    if (enough <= LARGEST_DRIFT_FACTOR)
      more = `, or raise driftFactor to ${enough} in all programs while it lasts`;
    return `It is being slewed fast, or broken. Have it slewed more slowly${more}`;
  }

  /** Tokens outlive a node's memory because they follow the nodes' time; for that it must be about the same. */
  #compareClocks(reading: TimeReading): void {
    const { maxTtl } = this.#settings;
    const apartMs = Math.max(...[...this.#readings.values()].map((other) => leastApartMs(other, reading)));
    if (apartMs <= maxTtl) return;
    this.#warnOnce(
      'QUORLOCK_CLOCKS_APART',
      `the nodes' clocks are at least ${Math.round(apartMs)} ms apart, more than maxTtl (${maxTtl} ms). If a node loses its ` +
        'memory, a later fencing token may be lower than an earlier one. Set the clocks of all nodes',
    );
  }
}

function isToldOf(state: NodeState): state is keyof typeof CODES {
  return state in CODES;
}

/** Whether a clock runs at a wrong rate; if not, it was set. */
function isDrift({ byMs, withinMs }: Pick<Divergence, 'byMs' | 'withinMs'>): boolean {
  return Math.abs(byMs) < withinMs / 2;
}

/** How far two nodes' clocks are apart at the least, in milliseconds; 0 for readings of different times. */
function leastApartMs(a: TimeReading, b: TimeReading): number {
  if (Math.abs(a.receivedAtMs - b.receivedAtMs) > SAME_TIME_MS) return 0;
  // A node read its clock after the client had sent the question, and before the answer came.
  const aheadMs = (a.timeUs - b.timeUs) / 1_000;
  return Math.max(aheadMs - a.receivedAtMs + b.sentAtMs, a.sentAtMs - b.receivedAtMs - aheadMs);
}
