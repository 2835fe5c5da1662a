// A process that takes locks and then sits in synchronous code, where no timer runs; test/fleet/suspend.test.ts
// stops it there. It says what it does on stdout, a line at a time, and goes on when it is sent a byte.
import { readSync, writeSync } from 'node:fs';
import { Redis } from 'ioredis';
import { redisGuard, StaleTokenError } from '../../src/fencing/index.ts';
import { type Lock, Redlock, type RedlockOptions } from '../../src/index.ts';

export interface HolderTerms {
  readonly urls: readonly string[];
  readonly options: RedlockOptions;
  readonly task:
    | { readonly kind: 'look' }
    /** Append to a value on another server, with the guard or without. */
    | { readonly kind: 'append'; readonly store: string; readonly key: string; readonly guarded: boolean };
}

/** What a lock said at one moment. */
export interface Look {
  readonly aborted: boolean;
  readonly reason: string | null;
  readonly assertion: string | null;
  readonly remainingValidity: number;
}

export interface LookReport {
  readonly before: Look;
  readonly after: Look;
  /** The same of a lock whose signal had not been read before. */
  readonly afterUnread: Look;
  /** Timers, immediates and microtasks that had their turn until then. */
  readonly turns: readonly string[];
}

export interface AppendReport {
  readonly token: number | undefined;
  readonly outcome: 'written' | 'stale';
}

const { HOLDER_TERMS = '' } = process.env;
const { urls, options, task }: HolderTerms = JSON.parse(HOLDER_TERMS);
const redlock = new Redlock(urls, options);
if (task.kind === 'look') say(lookAround(await redlock.acquire('held'), await redlock.acquire('held too')));
else say(await append(await redlock.acquire('held'), task));
process.exit();

function lookAround(read: Lock, unread: Lock): LookReport {
  const turns: string[] = [];
  setTimeout(() => turns.push('timer'), 0);
  setImmediate(() => turns.push('immediate'));
  queueMicrotask(() => turns.push('microtask'));
  const before = handshakeWith(read);
  say('held');
  waitForByte();
  return { before, after: handshakeWith(read), afterUnread: handshakeWith(unread), turns };
}

function handshakeWith(lock: Lock): Look {
  const { aborted, reason } = lock.signal;
  let assertion: string | null = null;
  try {
    lock.assertHeld();
  } catch (error) {
    assertion = nameOf(error);
  }
  return {
    aborted,
    reason: reason === undefined ? null : nameOf(reason),
    assertion,
    remainingValidity: lock.remainingValidity(),
  };
}

async function append(
  lock: Lock,
  { store, key, guarded }: Extract<HolderTerms['task'], { kind: 'append' }>,
): Promise<AppendReport> {
  const redis = new Redis(store);
  const token = lock.token ?? 0;
  const guard = redisGuard(redis);
  const seen = (guarded ? await guard.read(key, token) : await redis.get(key)) ?? '';
  const value = `${seen}[${token}]`;
  // The last check goes through, and the pause comes right after it: no lock can help that.
  lock.assertHeld();
  say('checked');
  waitForByte();
  try {
    if (guarded) await guard.write(key, token, value);
    else await redis.set(key, value);
    return { token, outcome: 'written' };
  } catch (error) {
    if (!(error instanceof StaleTokenError)) throw error;
    return { token, outcome: 'stale' };
  }
}

/** Synchronously: until it returns, this process does nothing else. */
function waitForByte(): void {
  const still = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    try {
      readSync(0, new Uint8Array(1));
      return;
    } catch (error) {
      // A pipe may be one that does not block.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      Atomics.wait(still, 0, 0, 1);
    }
  }
}

function say(what: unknown): void {
  writeSync(1, `${JSON.stringify(what)}\n`);
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : String(error);
}
