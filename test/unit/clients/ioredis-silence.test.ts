import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Redis as Redis6 } from 'ioredis';
import { Redis as Redis5 } from 'ioredis-5';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { VirtualClock } from '../../../src/testing/index.ts';
import { endSilenceWithConnection, reconnectInRealTime } from '../../../src/wire/clients/ioredis.ts';

const SOCKET_TIMEOUT_MS = 100;

/** Sends nothing by itself, and is made anew a millisecond after it was lost. */
const OPTIONS = {
  host: '127.0.0.1',
  socketTimeout: SOCKET_TIMEOUT_MS,
  retryStrategy: () => 1,
  maxRetriesPerRequest: 0,
  enableReadyCheck: false,
  disableClientInfo: true,
  autoResendUnfulfilledCommands: false,
} as const;

describe.each([
  ['ioredis 5', (port: number) => new Redis5({ ...OPTIONS, port })],
  ['ioredis 6', (port: number) => new Redis6({ ...OPTIONS, port, protocol: 2 })],
])('a connection of %s that is lost with a command unanswered', (_driver, connect) => {
  it('does not take the next one with it', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const redis = connect((server.address() as AddressInfo).port);
    onTestFinished(() => {
      redis.disconnect();
      server.close();
    });
    redis.on('error', () => undefined);
    endSilenceWithConnection(redis);
    const [first] = (await once(server, 'connection')) as [Socket];
    const unanswered = expect(redis.ping()).rejects.toThrow();
    await once(first, 'data');
    const lost = once(redis, 'reconnecting');
    first.destroy();
    await Promise.all([unanswered, lost]);

    const second = once(redis, 'ready');
    vi.advanceTimersByTime(1);
    await second;
    vi.advanceTimersByTime(10 * SOCKET_TIMEOUT_MS);

    expect(vi.getTimerCount()).toBe(0);
    expect(redis.stream.destroyed).toBe(false);
  });
});

describe.each([
  ['ioredis 5', () => new Redis5({ ...OPTIONS, port: 1, retryStrategy: () => 60_000 })],
  ['ioredis 6', () => new Redis6({ ...OPTIONS, port: 1, retryStrategy: () => 60_000 })],
])('a client of %s that waits to connect again', (_driver, connect) => {
  const saysSo = (redis: ReturnType<typeof connect>) =>
    new Promise<void>((resolve) => {
      redis.once('reconnecting', () => resolve());
    });

  /** One that has just found its server closed, and the connections that it tries from then on. */
  async function waiting() {
    const redis = connect();
    redis.on('error', () => undefined);
    onTestFinished(() => redis.disconnect());
    const clock = new VirtualClock();
    const stop = reconnectInRealTime(redis, clock);
    await saysSo(redis);
    const connecting = vi.spyOn(redis, 'connect').mockResolvedValue();
    return { redis, clock, stop, connecting };
  }

  it('connects again though the driver’s timer does not fire', async () => {
    const { clock, connecting } = await waiting();
    await clock.advance(1_000);
    expect(connecting).toHaveBeenCalledTimes(1);
  });

  it('does not connect again once it was disconnected for good', async () => {
    const { redis, clock, stop, connecting } = await waiting();
    stop();
    redis.disconnect();
    await clock.advance(10_000);
    expect(connecting).not.toHaveBeenCalled();
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not where it is disconnected for good just before it says that it waits', async () => {
    const redis = connect();
    redis.on('error', () => undefined);
    const clock = new VirtualClock();
    const stop = reconnectInRealTime(redis, clock);
    const said = saysSo(redis);
    redis.once('close', () => {
      expect(redis.status).toBe('reconnecting');
      stop();
      redis.disconnect();
    });
    await said;
    const connecting = vi.spyOn(redis, 'connect');
    await clock.advance(10_000);
    expect(connecting).not.toHaveBeenCalled();
    expect(clock.pendingTimers).toBe(0);
  });
});
