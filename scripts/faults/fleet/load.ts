import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Rng } from '../../../src/testing/rng.ts';
import { nap } from '../../support/time.ts';
import type { Habits, Site, Usage, Wish } from '../caller.ts';
import type { Terms } from '../plan.ts';
import type { StoreClient } from './store/client.ts';
import type { Reading } from './store/protocol.ts';

/** What readers and writers, and a semaphore have, beside what all callers contend for. */
const READ_OFTEN = 'catalogue';
const LICENCES = 'licences';
export const PERMITS = 2;

/** A caller begins no write with less validity than this: the check, and then the write, take time. */
const WRITE_MARGIN_MS = 150;

/** What a worker process is to do. */
export interface Assignment {
  readonly name: string;
  readonly seed: number;
  readonly urls: readonly string[];
  /** Where the store is, or the counter; empty if there is none. */
  readonly target: string;
  readonly logFile: string;
  readonly terms: Terms;
}

export type ToWorker =
  | { readonly kind: 'start'; readonly assignment: Assignment }
  /** Finish what is under way, close, and end. */
  | { readonly kind: 'finish' };

export type FromWorker =
  | { readonly kind: 'loaded' }
  /** A caller waits now, has a lock, or has done with it. */
  | { readonly kind: 'waiting' | 'granted' | 'done'; readonly caller: string }
  /** A caller has checked that it holds its lock, and is about to write. */
  | { readonly kind: 'writing' }
  | { readonly kind: 'finished'; readonly problems: readonly string[] };

const rests = (restMs: readonly [least: number, most: number]) => ({
  restMs: (dice: Rng) => dice.between(...restMs),
  // Asking again at once would only keep the machine busy.
  noQuorumRestMs: (dice: Rng) => dice.between(20, 80),
});

/** One or two of the resources. */
function someOf(resources: readonly string[], dice: Rng): readonly string[] {
  return dice.sample(resources, dice.chance(0.15) ? 2 : 1);
}

/** Steps of a lock that is given back, or kept until it is lost. */
function usageOf(dice: Rng, style: 'brief' | 'extending' | 'until lost', most: number): Usage {
  return {
    steps: style === 'until lost' ? Number.POSITIVE_INFINITY : dice.integer(1, most),
    pauseMs: () => dice.between(1, 20),
    extends: () => style === 'extending',
    givesBack: (isLost) => !(isLost && style === 'until lost'),
  };
}

/** Callers that contend for what all want, on a store that is written to. */
function writing({ resources, ttl, isBrief }: Terms, restMs: readonly [number, number]): Habits {
  return {
    ...rests(restMs),
    wish: (dice): Wish => {
      const way = dice.weighted([
        [45, 'try'],
        [47, 'wait'],
        [8, 'using'],
      ] as const);
      const waitTime = way === 'try' ? 0 : Math.round(dice.between(500, 4_000));
      const isImpatient = way === 'wait' && dice.chance(0.2);
      return {
        ...{ way, waitTime, resources: someOf(resources, dice), use: 'alone' },
        ...(isImpatient ? { patienceMs: Math.round(dice.between(20, waitTime)) } : {}),
      };
    },
    usage: (dice, _, { way }) => {
      if (way === 'using')
        return { steps: isBrief ? 1 : dice.integer(1, 6), pauseMs: () => dice.between(5, ttl / 4) };
      const style = dice.weighted([
        [26, 'brief'],
        [10, 'extending'],
        [isBrief ? 0 : 1, 'until lost'],
      ] as const);
      return usageOf(dice, style, 3);
    },
  };
}

/** Readers, writers and users of permits by turns, on resources that only the likes of it want. */
function sharing({ ttl }: Terms): Habits {
  return {
    ...rests([5, 60]),
    wish: (dice) => {
      const by = dice.weighted([
        [4, 'read'],
        [2, 'write'],
        [4, 'permit'],
      ] as const);
      const waitTime = dice.chance(0.5) ? 0 : Math.round(dice.between(500, 4_000));
      const resources = [by === 'permit' ? LICENCES : READ_OFTEN];
      return {
        by,
        permits: PERMITS,
        resources,
        way: waitTime === 0 ? 'try' : 'wait',
        use: useOf(by),
        waitTime,
      };
    },
    usage: (dice) => ({
      steps: dice.integer(1, 3),
      pauseMs: () => dice.between(2, ttl / 10),
      extends: () => dice.chance(0.2),
    }),
  };
}

function useOf(by: 'read' | 'write' | 'permit'): Wish['use'] {
  return by === 'write' ? 'alone' : by;
}

/** Takes a lock that no other caller wants, again and again: whatever it does not get is for want of nodes. */
const probing = (name: string): Habits => ({
  restMs: () => 100,
  noQuorumRestMs: () => 0,
  wish: () => ({ way: 'probe', waitTime: 0, resources: [`probe of ${name}`], use: 'alone' }),
  usage: () => ({ steps: 0, pauseMs: () => 0 }),
});

/** Many short locks, and checks that they are held. */
function checking({ resources }: Terms): Habits {
  return {
    restMs: (dice) => dice.between(1, 20),
    noQuorumRestMs: (dice) => dice.between(10, 60),
    wish: (dice) => {
      // A caller that waits has asked long before, and then hardly any token is too low for it.
      const way = dice.weighted([
        [6, 'using'],
        [28, 'wait'],
        [66, 'try'],
      ] as const);
      return { way, waitTime: way === 'try' ? 0 : 1_000, resources: someOf(resources, dice), use: 'alone' };
    },
    usage: (dice, _, { way }) => {
      if (way === 'using') return { steps: dice.integer(5, 30), pauseMs: () => dice.between(5, 50) };
      const style = dice.weighted([
        [12, 'brief'],
        [5, 'extending'],
        [1, 'until lost'],
      ] as const);
      return usageOf(dice, style, 5);
    },
  };
}

/** Now and then so long that the lock has to be kept alive, or over several steps. */
function counting({ resources }: Terms): Habits {
  return {
    ...rests([5, 50]),
    wish: (dice) => ({
      way: dice.chance(0.03) ? 'using' : 'wait',
      waitTime: 10_000,
      resources,
      use: 'alone',
    }),
    usage: (dice, _, { way }) => {
      const isStepwise = dice.chance(0.25);
      const steps = way === 'using' ? dice.integer(15, 30) : isStepwise ? 3 : 1;
      return {
        steps,
        pauseMs: () => (way === 'using' ? 40 : 0),
        extends: () => isStepwise && way !== 'using',
      };
    },
  };
}

/** The callers of one worker. `isNewcomer`: it connects anew for every turn. */
export function callersOf(
  name: string,
  terms: Terms,
): readonly { readonly name: string; readonly habits: Habits; readonly isNewcomer?: boolean }[] {
  const habits =
    terms.load === 'store'
      ? writing(terms, [5, 60])
      : terms.load === 'checks'
        ? checking(terms)
        : counting(terms);
  const callers = Array.from({ length: terms.callersPerWorker }, (_, index) => ({
    name: `${name}${index + 1}`,
    habits,
  }));
  if (terms.load !== 'store') return callers;
  return [
    ...callers,
    { name: `${name} newcomer`, habits: writing(terms, [200, 500]), isNewcomer: true },
    { name: `${name} probe`, habits: probing(`${name} probe`) },
    { name: `${name} sharer`, habits: sharing(terms) },
  ];
}

/** Reads, thinks, checks that the lock is held, and writes: in that order, as any program does. */
export function writingTo(store: StoreClient, tell: (kind: 'writing') => void): NonNullable<Site['work']> {
  return async (notes, lock, dice) => {
    if (lock.resources.includes(READ_OFTEN) || lock.resources.includes(LICENCES)) return notes.act();
    const readings: [resource: string, reading: Reading][] = [];
    for (const resource of lock.resources) readings.push([resource, await store.read(resource, lock.token)]);
    await nap(dice.between(2, 25), lock.signal);
    notes.act();
    if (lock.remainingValidity() < WRITE_MARGIN_MS) return;
    tell('writing');
    // The time in which a process that is stopped or killed leaves its write undone, or does it too late.
    await delay(dice.between(2, 12));
    for (const [resource, reading] of readings) {
      const { guarded } = await store.write(resource, lock.token, reading);
      notes.wrote(guarded, 'done');
    }
  };
}

/** Every value has as many characters, so that one write replaces another whole, with a lock or without. */
const DIGITS = 12;

/** A number in a file that several processes read and write. It protects itself from nothing: that is the point. */
export const counter = {
  create: (path: string) => writeFileSync(path, '0'.padStart(DIGITS)),
  read: (path: string) => Number(readFileSync(path, 'utf8')),
  write: (path: string, value: number) => writeFileSync(path, String(value).padStart(DIGITS), { flag: 'r+' }),
};

export function countingIn(path: string): NonNullable<Site['work']> {
  return async (notes, lock, dice) => {
    const value = counter.read(path) + 1;
    await nap(dice.between(1, 30), lock.signal);
    // Nothing may come between this and the write: not even an await.
    notes.act();
    counter.write(path, value);
    notes.wrote('none', 'done');
  };
}
