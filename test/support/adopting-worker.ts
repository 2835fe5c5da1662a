// A worker process: it adopts each lock that its parent sends, writes under it, and releases it. test/fleet/adoption.test.ts
// starts it.

import { Redis } from 'ioredis';
import { redisGuard } from '../../src/fencing/index.ts';
import { type LockJSON, QuorlockError, Redlock, type RedlockOptions } from '../../src/index.ts';
import { untilAllVote } from './deployment.ts';

export interface WorkerTerms {
  readonly urls: readonly string[];
  readonly store: string;
  readonly options: RedlockOptions;
}

export type WorkerMessage =
  | { readonly do: 'start'; readonly terms: WorkerTerms }
  | { readonly do: 'adopt'; readonly json: LockJSON; readonly key: string }
  | { readonly do: 'take'; readonly queue: string; readonly key: string }
  | { readonly do: 'release' }
  | { readonly do: 'end' };

export type WorkerReport =
  | { readonly said: 'ready' | 'released' }
  | {
      readonly said: 'adopted';
      readonly token: number;
      readonly value: string;
      readonly resources: readonly string[];
    }
  | { readonly said: 'failed'; readonly code: string };

let redlock: Redlock | undefined;
let store: Redis | undefined;
let release: () => void = () => undefined;

const say = (report: WorkerReport) => process.send?.(report);

/** Adopts a lock, writes, and keeps it until it is told to release it. */
async function adopt(json: LockJSON, key: string): Promise<void> {
  if (redlock === undefined || store === undefined) throw new Error('it has not been started');
  const lock = await redlock.adopt(json);
  await redlock.using(lock, async () => {
    if (store !== undefined) await redisGuard(store).write(key, lock.token, 'by the worker');
    const { token, value, resources } = lock;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    say({ said: 'adopted', token, value, resources });
    await released;
  });
  say({ said: 'released' });
}

async function handle(message: WorkerMessage): Promise<void> {
  switch (message.do) {
    case 'start':
      redlock = new Redlock(message.terms.urls, message.terms.options);
      store = new Redis(message.terms.store);
      await untilAllVote(redlock);
      say({ said: 'ready' });
      break;
    case 'adopt':
      await adopt(message.json, message.key);
      break;
    case 'take': {
      const [, text = ''] = (await store?.blpop(message.queue, 0)) ?? [];
      await adopt(JSON.parse(text), message.key);
      break;
    }
    case 'release':
      release();
      break;
    case 'end':
      await redlock?.close();
      store?.disconnect();
      process.disconnect();
  }
}

process.on('message', (message: WorkerMessage) => {
  handle(message).catch((error: unknown) => {
    say({ said: 'failed', code: error instanceof QuorlockError ? error.code : String(error) });
  });
});
