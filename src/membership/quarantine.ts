import { list, shorten } from '../base/describe.ts';
import type { Random } from '../base/random.ts';
import type { RedlockWarning } from '../base/warning.ts';
import { CLAMP_MS, type NodeSettings } from '../node/node-settings.ts';

/**
 * What happens to a node that may have lost its memory. `auto`: it does not vote until all locks that it may have
 * forgotten have expired. But a deployment in which *no* node has a marker is new, and starts at once. `strict`: it
 * waits even then. `off`: nothing; a node that restarts empty may give away a held lock.
 */
export type Quarantine = 'auto' | 'strict' | 'off';

/** The terms of a quorum's membership. All durations in milliseconds. */
export interface MembershipSettings
  extends Pick<NodeSettings, 'clock' | 'nodeCount' | 'maxTtl' | 'driftFactor'> {
  readonly random: Random;
  readonly quarantine: Quarantine;
  /** How many nodes have to vote. */
  readonly quota: number;
  warn(warning: RedlockWarning): void;
  /** The clock of a node, by its place in the list, is at most `ms` ahead of what it should be. */
  leapt(node: number, ms: number): void;
}

/** Added to every quarantine, for the time that messages take. */
const MARGIN_MS = 100;

/**
 * For how many milliseconds, by the watching client's clock, a node that may have lost its memory does not vote. By
 * then all locks that it may have granted have expired, and its TIME is past every token that it may have given.
 */
export function quarantineMs(longestTtl: number, driftFactor: number): number {
  return longestTtl * (1 + driftFactor) + 2 * CLAMP_MS + MARGIN_MS;
}

/** The reason why a node in quarantine does not vote, with `leftMs` to go at `wallMs`. */
export function reasonToWait(leftMs: number, wallMs: number): string {
  const seconds = Math.max(1, Math.ceil(leftMs / 1_000));
  const at = new Date(Math.ceil((wallMs + Math.max(0, leftMs)) / 1_000) * 1_000);
  return (
    `it is new, restarted or was emptied, and votes again at ${at.toISOString().replace('.000Z', 'Z')}, ${seconds} s from ` +
    'now. Then every lock that it may have forgotten has expired. Only a new deployment, where no program had a lock yet, may ' +
    'end this by initialize() or quorlock init'
  );
}

/** The reason why a node without memory does not vote while the `silent` nodes may remember something. */
export function reasonToAskAll(silent: readonly string[]): string {
  return (
    `it is new, and so may all nodes be, but ${list(silent.map((node) => shorten(node)))} can't be asked. Start what is missing, ` +
    'or call initialize()'
  );
}
