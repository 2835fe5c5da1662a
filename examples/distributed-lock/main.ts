// The stock of a product, and many buyers in several processes: without a lock, with a naive one, and with quorlock.
import { Redis } from 'ioredis';
import { openRedlock, startMasters, startServers } from '../support/masters.ts';
import { printTable } from '../support/table.ts';
import { Team } from '../support/team.ts';
import { soon } from '../support/until.ts';
import type { Outcome, Task } from './buyer.ts';
import { NaiveLock } from './naive-lock.ts';
import { buyLocked, buyUnlocked, PRODUCT } from './shop.ts';

const STOCK = 30;
const PROCESSES = 4;
const BUYERS = 10;
const NAIVE_KEY = `naive:${PRODUCT}`;

await using masters = await startMasters();
await using shop = await startServers(1);
const [storeUrl = ''] = shop.urls;
const store = new Redis(storeUrl);
const redlock = openRedlock(masters.urls);
await using crowd = await Team.start<Task, Outcome>(new URL('buyer.ts', import.meta.url), PROCESSES);

console.log(
  `A stock of ${STOCK}, ${PROCESSES} processes of ${BUYERS} buyers each, who buy one if there is one.`,
);
try {
  printTable(
    'Everybody at once',
    ['lock', 'in stock', 'sold', 'left', 'sold and left'],
    [await sell('none'), await sell('quorlock')],
  );
  printTable(
    'One holder in trouble',
    ['what happens', 'naive lock', 'quorlock'],
    [
      ['it dies as soon as it has the lock', await dead('naive'), await dead('quorlock')],
      ['it is done, and releases', await release('naive'), await release('quorlock')],
      ['it is stopped before it writes', await lateWrite('naive'), await lateWrite('quorlock')],
      ['it is stopped before it releases', await lateRelease('naive'), await lateRelease('quorlock')],
    ],
  );
} finally {
  await redlock.close();
  store.disconnect();
}

/** All buyers at once. */
async function sell(lock: 'none' | 'quorlock') {
  await stockUp();
  const outcomes = await crowd.all(task(lock, 'none', BUYERS));
  const sold = outcomes.reduce((sum, { bought }) => sum + bought, 0);
  const left = Number(await store.get(PRODUCT));
  return [lock, STOCK, sold, left, sold + left === STOCK ? 'right' : `${sold + left}: wrong`];
}

/** A process is killed when it has the lock: for the naive lock, between SETNX and EXPIRE. */
async function dead(lock: 'naive' | 'quorlock'): Promise<string> {
  await store.del(NAIVE_KEY);
  const { holder } = inTrouble(lock, 'killed holder');
  await holder.gone;
  if (lock === 'naive') {
    const forEver = (await store.ttl(NAIVE_KEY)) === -1;
    return forEver ? 'locked for ever: the key has no expiry' : 'free after its expiry';
  }
  await redlock.using(PRODUCT, {}, () => undefined);
  return 'the next one had it after its ttl';
}

async function release(lock: 'naive' | 'quorlock'): Promise<string> {
  if (lock === 'quorlock') {
    const held = await redlock.acquire(PRODUCT);
    return (await held.release()).freed ? 'released' : 'still locked';
  }
  await store.del(NAIVE_KEY);
  const naive = new NaiveLock(store, NAIVE_KEY);
  const identifier = (await naive.acquire()) ?? '';
  return (await naive.release(identifier)) ? 'released' : 'still locked: bytes never equal a text';
}

/** A process is stopped between its reading and its writing, for longer than its lock lives; another buys meanwhile. */
async function lateWrite(lock: 'naive' | 'quorlock'): Promise<string> {
  await stockUp();
  await store.del(NAIVE_KEY);
  const { holder, outcome } = inTrouble(lock, 'slow write');
  await holder.heard('stopped');
  if (lock === 'quorlock') {
    await buyLocked(redlock, store);
  } else {
    const naive = new NaiveLock(store, NAIVE_KEY);
    const identifier = await soon(() => naive.acquire());
    await buyUnlocked(store);
    await naive.releaseText(identifier);
  }
  holder.resume();
  const { bought, refused } = await outcome;
  const missing = STOCK - Number(await store.get(PRODUCT));
  const verdict = bought + 1 === missing ? 'right' : 'wrong';
  const told = refused === 0 ? '' : ', its write refused by its token';
  return `${bought + 1} sold, stock less by ${missing}: ${verdict}${told}`;
}

/** A process is stopped before it gives its lock back; another has it when that happens, and a third one tries. */
async function lateRelease(lock: 'naive' | 'quorlock'): Promise<string> {
  await store.del(NAIVE_KEY);
  const { holder, outcome } = inTrouble(lock, 'slow release');
  await holder.heard('stopped');
  const naive = new NaiveLock(store, NAIVE_KEY);
  const second = await (lock === 'naive' ? soon(() => naive.acquire()) : redlock.acquire(PRODUCT));
  holder.resume();
  await outcome;
  const third = await (lock === 'naive' ? naive.acquire() : redlock.tryAcquire(PRODUCT));
  if (typeof second === 'object') await second.release();
  return third === null ? 'its release frees nothing' : "frees the next one's lock: two holders";
}

/** Has a process buy, alone, and that happen to it. */
function inTrouble(lock: Task['lock'], trouble: Task['trouble']) {
  // A buyer that was killed is not asked again.
  const holder =
    trouble === 'killed holder' ? crowd.members.findLast(({ alive }) => alive) : crowd.members[0];
  if (holder === undefined) throw new Error('there are more troubles than processes');
  const outcome = holder.do(task(lock, trouble, 1));
  // Who is killed has no outcome; who waits for one hears of the error there.
  outcome.catch(() => undefined);
  return { holder, outcome };
}

function task(lock: Task['lock'], trouble: Task['trouble'], buyers: number): Task {
  return { masters: masters.urls, store: storeUrl, lock, trouble, buyers };
}

async function stockUp(): Promise<void> {
  await store.set(PRODUCT, STOCK);
}
