import type { Random } from '../base/random.ts';
import { longestRemainingTtl, type NodeVote } from '../base/vote.ts';
import { majorityOf } from '../quorum/tally.ts';

/** Who is first in the queue, and sleeps until a holder's keys expire, wakes up within this many milliseconds after. */
const SPREAD_MS = 5;

/** Whoever is behind wakes up so many milliseconds later, for each one before it: by then it has been called. */
const BEHIND_MS = 15;

/** Without any call, the shortest time until nodes are asked again, in milliseconds. It doubles … */
const FIRST_RECHECK_MS = 500;

/** … with every attempt up to this: calls may be lost, and holders may use another library, which calls nobody. */
const LONGEST_RECHECK_MS = 2_000;

/** Whoever is behind others doubts so many milliseconds later, for each one before it. */
const PATIENCE_MS = 50;

/** Where very many sleep, this many milliseconds for each of them: nodes have better to do than answer doubts. */
const RECHECK_EACH_MS = 5;

/** A call by too few nodes is waited with for at least this many milliseconds, and up to twice as many. It doubles … */
const PARTIAL_MS = 25;

/** … with every attempt up to this. */
const LONGEST_PARTIAL_MS = 800;

/** Where nodes can't be heard: the shortest span from which the pause between two attempts is drawn. It doubles … */
const FIRST_PAUSE_MS = 8;

/** … with every attempt up to this. */
const LONGEST_PAUSE_MS = 200;

/** After how long the lock may be free without a call: the holder's keys should have expired. */
export function expiryMs(votes: readonly NodeVote[], random: Random): number {
  return freeInMs(votes) + 1 + random.fraction() * SPREAD_MS + rankOf(votes) * BEHIND_MS;
}

/**
 * How long somebody sleeps who will be called, until it begins to doubt.
 *
 * @param sleepers how many sleep in this process: together they doubt no more often than once in a few milliseconds
 */
export function recheckMs(
  votes: readonly NodeVote[],
  tries: number,
  sleepers: number,
  random: Random,
): number {
  const span = Math.max(doubled(FIRST_RECHECK_MS, LONGEST_RECHECK_MS, tries), sleepers * RECHECK_EACH_MS);
  const longest = Math.min(span + rankOf(votes) * PATIENCE_MS, Math.max(span, LONGEST_RECHECK_MS));
  return longest * (0.5 + random.fraction() / 2);
}

/** How many are before it in the queue, where they are fewest: 0 if nobody knows. */
function rankOf(votes: readonly NodeVote[]): number {
  let fewest: number | undefined;
  for (const vote of votes) {
    if (vote.outcome === 'held' && vote.rank !== undefined) fewest = Math.min(fewest ?? vote.rank, vote.rank);
  }
  return fewest ?? 0;
}

/** How long to wait for more nodes to call, when nobody seems to be called by a majority. */
export function partialNotificationMs(tries: number, random: Random): number {
  return doubled(PARTIAL_MS, LONGEST_PARTIAL_MS, tries) * (1 + random.fraction());
}

/** How soon to ask again after nodes could not be heard for a while. */
export function afterSilenceMs(random: Random): number {
  return random.fraction() * LONGEST_PAUSE_MS;
}

/** The random pause between two attempts of somebody who can't be called. */
export function pauseMs(votes: readonly NodeVote[], tries: number, random: Random): number {
  const drawn = 1 + random.fraction() * doubled(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, tries);
  const holderMs = longestRemainingTtl(votes);
  return holderMs === undefined ? drawn : Math.min(drawn, holderMs + 1 + random.fraction() * FIRST_PAUSE_MS);
}

function doubled(first: number, longest: number, times: number): number {
  return Math.min(first * 2 ** Math.min(times, 10), longest);
}

/** Milliseconds until a majority of nodes could be free, if nobody extends or gives back what is held. */
export function freeInMs(votes: readonly NodeVote[]): number {
  const remaining: number[] = [];
  let granted = 0;
  for (const vote of votes) {
    if (vote.outcome === 'held') remaining.push(vote.remainingTtl);
    else if (vote.outcome === 'granted') granted += 1;
  }
  remaining.sort((a, b) => a - b);
  return remaining[majorityOf(votes.length) - granted - 1] ?? Number.POSITIVE_INFINITY;
}
