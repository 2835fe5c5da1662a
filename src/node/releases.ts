import type { Timer } from '../base/clock.ts';
import { isTaking, type Leave, type Operation, type Release } from '../wire/operation.ts';
import type { NodeSettings } from './node-settings.ts';
import { OwedReleases } from './owed-releases.ts';

/** What can wait for other business with its node goes by itself after this many milliseconds, … */
const LATER_MS = 250;

/** … or when so many have come together. */
const MOST_LATER = 32;

const NOTHING_TO_SEND = Promise.resolve();

/** What is given back at one node: at once, along with the next call, or again because the node owes it. */
export class Releases {
  readonly #settings: NodeSettings;
  readonly #post: (operation: Release | Leave) => Promise<void>;
  readonly #owed = new OwedReleases();
  readonly #later: (Release | Leave)[] = [];
  #timer: Timer | undefined;

  /** @param post has the node do something; resolves when that has been answered, or never will be */
  constructor(settings: NodeSettings, post: (operation: Release | Leave) => Promise<void>) {
    this.#settings = settings;
    this.#post = post;
  }

  /** A release is being sent. */
  sent(release: Release): void {
    this.#owed.sent(release);
  }

  /** The node has done it. */
  confirmed(release: Release): void {
    this.#owed.confirmed(release.value);
  }

  /** The node has not done it, as far as is known: it is owed until the node confirms it or its keys have expired. */
  failed(release: Release): void {
    const { clock, maxTtl, driftFactor, nodeTimeout } = this.#settings;
    const lapsesInMs = maxTtl * (1 + driftFactor) + nodeTimeout;
    this.#owed.failed(release, clock.uptime() + lapsesInMs);
  }

  /**
   * What there is no hurry for goes along with the next call, or by itself within a quarter of a second: the release of
   * what the node has just said it did not grant (only a command that a driver sent twice could have taken the key
   * since), or the end of a wait for what is held.
   */
  later(operation: Release | Leave): void {
    this.#later.push(operation);
    if (this.#later.length >= MOST_LATER) {
      void this.sendLater();
      return;
    }
    const { clock } = this.#settings;
    this.#timer ??= clock.after(LATER_MS, () => void this.sendLater(), { keepAlive: false });
  }

  /** Posts what was put off. Resolves when all of it has been answered, or never will be. */
  sendLater(): Promise<unknown> {
    if (this.#later.length === 0) return NOTHING_TO_SEND;
    this.#timer?.cancel();
    this.#timer = undefined;
    const posted = this.#later.splice(0).map((operation) => {
      if (operation.kind === 'release') this.sent(operation);
      return this.#post(operation);
    });
    return Promise.all(posted);
  }

  /**
   * Posts again what the node owes and is not being asked for.
   *
   * @param room how many operations the node can be asked for: a release that finds no room would be tried in vain
   */
  askAgain(room: number): void {
    if (!this.#owed.hasIdle) return;
    const now = this.#settings.clock.uptime();
    for (const release of this.#owed.takeIdle(now, room)) void this.#post(release);
  }

  /** Whether a release is owed of what an operation takes. */
  owes(operation: Operation): boolean {
    return isTaking(operation) && this.#owed.has(operation.value);
  }

  close(): void {
    this.#timer?.cancel();
    this.#later.length = 0;
    this.#owed.clear();
  }
}
