import type { Clock } from '../base/clock.ts';
import { shorten } from '../base/describe.ts';
import type { RedlockWarning } from '../base/warning.ts';
import type { NodeLook } from '../node/marker.ts';
import type { TimeReading } from '../node/node-time.ts';

/** Two readings of clocks are compared only if they were taken within this time: later a clock may have been set. */
const SAME_TIME_MS = 1_000;

export interface NodeWarningSettings {
  readonly clock: Clock;
  /** Milliseconds. */
  readonly maxTtl: number;
  warn(warning: RedlockWarning): void;
}

/** Tells of what weakens single nodes or their clocks: each once, or once an episode. */
export class NodeWarnings {
  readonly #settings: NodeWarningSettings;
  readonly #evicting = new Set<string>();
  /** For each node until when its wrong clock has been told of, by our own clock. */
  readonly #clockToldUntilMs = new Map<string, number>();
  /** The last reading of each node's clock. */
  readonly #readings = new Map<string, TimeReading>();
  #isToldApart = false;
  readonly #deaf = new Set<string>();
  #isToldNameless = false;
  #isToldRaised = false;

  constructor(settings: NodeWarningSettings) {
    this.#settings = settings;
  }

  /** A node was looked at. */
  looked(address: string, look: NodeLook): void {
    if (look.evicts && !this.#evicting.has(address)) {
      this.#evicting.add(address);
      this.#settings.warn({
        code: 'QUORLOCK_EVICTION',
        message:
          `${shorten(address)} may evict locks when its memory is full (maxmemory-policy ${shorten(look.evictionPolicy)}). Set ` +
          'maxmemory-policy to noeviction',
      });
    }
    if (look.deafness !== undefined) this.#tellDeaf(address, look.deafness);
    if (look.runId === '') this.#tellNameless(address);
    this.#readings.set(address, look);
    this.#compareClocks(look);
  }

  #tellDeaf(address: string, why: string): void {
    if (this.#deaf.has(address)) return;
    this.#deaf.add(address);
    this.#settings.warn({
      code: 'QUORLOCK_SLOW_WAITING',
      message: `those who wait do not hear ${address}, and ask it now and then instead: ${why}`,
    });
  }

  #tellNameless(address: string): void {
    if (this.#isToldNameless) return;
    this.#isToldNameless = true;
    this.#settings.warn({
      code: 'QUORLOCK_NO_RUN_ID',
      message:
        `${address} does not tell its run_id (INFO server). Quarantine can't work there, and it would not be noticed if two ` +
        "addresses led to it. Use a server that does; else say quarantine: 'off', and give every server once",
    });
  }

  /** This program has the markers tell of a longer ttl than they did, in milliseconds, with quarantines of such lengths. */
  raised(beforeTtl: number, { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): void {
    if (this.#isToldRaised) return;
    this.#isToldRaised = true;
    const { maxTtl, warn } = this.#settings;
    warn({
      code: 'QUORLOCK_MAX_TTL',
      message:
        `maxTtl is ${maxTtl} ms here, and ${beforeTtl} ms in all programs of these nodes until now. A node that loses its ` +
        `memory does not vote for ${toMs} ms from now on, instead of ${fromMs} ms. Give all programs the same maxTtl; to go ` +
        'back to a shorter one, give it to all, and call initialize() when no lock is held',
    });
  }

  /**
   * A node's clock went wrong by so many milliseconds: positive ahead, negative behind. Its votes do not count for
   * `forMs`.
   */
  clockDiverged(address: string, byMs: number, forMs: number): void {
    const { clock, warn } = this.#settings;
    const isTold = clock.uptime() < (this.#clockToldUntilMs.get(address) ?? 0);
    this.#clockToldUntilMs.set(address, clock.uptime() + forMs);
    if (isTold) return;
    const how = `${Math.abs(Math.round(byMs))} ms ${byMs > 0 ? 'ahead of' : 'behind'}`;
    warn({
      code: 'QUORLOCK_CLOCK',
      message:
        `the clock of ${shorten(address)} is ${how} what it should be since it was last read. Its votes do not count for ` +
        `${Math.round(forMs)} ms. Have its clock slewed, not stepped, or raise driftFactor`,
    });
  }

  /** Tokens outlive a node's memory because they follow the nodes' time; for that it must be about the same. */
  #compareClocks(reading: TimeReading): void {
    const { maxTtl, warn } = this.#settings;
    const apartMs = Math.max(...[...this.#readings.values()].map((other) => leastApartMs(other, reading)));
    if (this.#isToldApart || apartMs <= maxTtl) return;
    this.#isToldApart = true;
    warn({
      code: 'QUORLOCK_CLOCKS_APART',
      message:
        `the nodes' clocks are at least ${Math.round(apartMs)} ms apart, more than maxTtl (${maxTtl} ms). If a node loses its ` +
        'memory, a later fencing token may be lower than an earlier one. Set the clocks of all nodes',
    });
  }
}

/** How far two nodes' clocks are apart at the least, in milliseconds; 0 for readings of different times. */
function leastApartMs(a: TimeReading, b: TimeReading): number {
  if (Math.abs(a.receivedAtMs - b.receivedAtMs) > SAME_TIME_MS) return 0;
  return Math.max(leastAheadMs(a) - mostAheadMs(b), leastAheadMs(b) - mostAheadMs(a));
}

/** A node's clock was read after the question was sent, and before the answer came. */
function mostAheadMs({ timeUs, sentAtMs }: TimeReading): number {
  return timeUs / 1_000 - sentAtMs;
}

function leastAheadMs({ timeUs, receivedAtMs }: TimeReading): number {
  return timeUs / 1_000 - receivedAtMs;
}
