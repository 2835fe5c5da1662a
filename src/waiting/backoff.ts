/*
 * When does a waiter ask again that has heard nothing? At fixed pauses, all waiters ask at the same moments and split
 * the vote for ever; at long ones, a free lock idles. So every pause is random, grows with each try, and is longer
 * for a waiter that has others before it.
 */

import type { Random } from '../base/random.ts';
import { longestRemainingTtl, type NodeVote } from '../base/vote.ts';
import { majorityOf } from '../quorum/round.ts';

/** The first waiter of a queue wakes up within this many milliseconds after the holder's keys expire. */
const SPREAD_MS = 5;

/** A waiter behind others wakes up so much later, in milliseconds, for each one before it: the first comes first. */
const BEHIND_MS = 15;

/** Without a notification, the shortest time until a waiter rechecks, in milliseconds. It doubles … */
const FIRST_RECHECK_MS = 500;

/** … with every attempt up to this: notifications may be lost, and other libraries send none. */
const LONGEST_RECHECK_MS = 2_000;

/** By how much later a waiter rechecks, for each one before it. */
const RECHECK_BEHIND_MS = 50;

/** Where very many wait, this many milliseconds for each of them: rechecks must not keep the nodes busy. */
const RECHECK_EACH_MS = 5;

/** After a partial notification a waiter gives the other nodes this many milliseconds to twice as many. It doubles … */
const PARTIAL_MS = 25;

/** … with every attempt up to this. */
const LONGEST_PARTIAL_MS = 800;

/** For how long a waiter in several queues of a node gathers their notifications: they often come together. */
export const GATHERING_MS = 3;

/** Without notifications: the shortest span from which the pause between two attempts is drawn. It doubles … */
const FIRST_PAUSE_MS = 8;

/** … with every attempt up to this. */
const LONGEST_PAUSE_MS = 200;

/** In an outage, how long after the return of a majority a waiter asks again. It doubles … */
const FIRST_RETURN_MS = 4;

/** … with every attempt that failed all the same, up to this, which is also how often it asks while none is back. */
const LONGEST_OUTAGE_MS = 1_000;

/** After how long the lock may be free without a notification: the holder's keys should have expired. */
export function expiryMs(votes: readonly NodeVote[], random: Random): number {
  return freeInMs(votes) + 1 + random.fraction() * SPREAD_MS + rankOf(votes) * BEHIND_MS;
}

/**
 * For how long a waiter sleeps until it rechecks. `sleepers`, all of this process, do so once in a few milliseconds
 * at most.
 */
export function recheckMs(
  votes: readonly NodeVote[],
  tries: number,
  sleepers: number,
  random: Random,
): number {
  const span = Math.max(doubled(FIRST_RECHECK_MS, LONGEST_RECHECK_MS, tries), sleepers * RECHECK_EACH_MS);
  const longest = Math.min(span + rankOf(votes) * RECHECK_BEHIND_MS, Math.max(span, LONGEST_RECHECK_MS));
  return longest * (0.5 + random.fraction() / 2);
}

/** How many waiters are before it in the queue, at the node where they are fewest; 0 if no node told. */
function rankOf(votes: readonly NodeVote[]): number {
  let fewest: number | undefined;
  for (const vote of votes) {
    if (vote.outcome === 'held' && vote.rank !== undefined) fewest = Math.min(fewest ?? vote.rank, vote.rank);
  }
  return fewest ?? 0;
}

/** How long to wait for more nodes after a partial notification. */
export function partialNotificationMs(tries: number, random: Random): number {
  return doubled(PARTIAL_MS, LONGEST_PARTIAL_MS, tries) * (1 + random.fraction());
}

/** How soon to ask again after notifications may have been lost. */
export function afterSilenceMs(random: Random): number {
  return random.fraction() * LONGEST_PAUSE_MS;
}

/** How soon to ask again in an outage. `areBack`: a majority of nodes votes and answers, as far as is known. */
export function outageMs(areBack: boolean, tries: number, random: Random): number {
  const span = areBack ? doubled(FIRST_RETURN_MS, LONGEST_OUTAGE_MS, tries) : LONGEST_OUTAGE_MS;
  return span * (0.5 + random.fraction() / 2);
}

/** The random pause between two attempts of a waiter that notifications do not reach. */
export function pauseMs(votes: readonly NodeVote[], tries: number, random: Random): number {
  const drawn = 1 + random.fraction() * doubled(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, tries);
  const holderMs = longestRemainingTtl(votes);
  return holderMs === undefined ? drawn : Math.min(drawn, holderMs + 1 + random.fraction() * FIRST_PAUSE_MS);
}

function doubled(first: number, longest: number, times: number): number {
  return Math.min(first * 2 ** Math.min(times, 10), longest);
}

/** Milliseconds until a majority of nodes could be free, if no holder extends or releases, or want to be asked again. */
function freeInMs(votes: readonly NodeVote[]): number {
  const remaining: number[] = [];
  let granted = 0;
  for (const vote of votes) {
    if (vote.outcome === 'held')
      remaining.push(Math.min(vote.remainingTtl, vote.againMs ?? vote.remainingTtl));
    else if (vote.outcome === 'granted') granted += 1;
  }
  remaining.sort((a, b) => a - b);
  return remaining[majorityOf(votes.length) - granted - 1] ?? Number.POSITIVE_INFINITY;
}
