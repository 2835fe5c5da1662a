import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Redis as Redis6 } from 'ioredis';
import { Redis as Redis5 } from 'ioredis-5';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { VirtualClock } from '../../../src/testing/index.ts';
import { SILENCE_MS } from '../../../src/wire/clients/driver.ts';
import { watchOver } from '../../../src/wire/clients/ioredis.ts';

/** Sends nothing by itself, and is made anew a millisecond after it was lost. */
const OPTIONS = {
  host: '127.0.0.1',
  retryStrategy: () => 1,
  maxRetriesPerRequest: 0,
  enableReadyCheck: false,
  disableClientInfo: true,
  autoResendUnfulfilledCommands: false,
} as const;

describe.each([
  ['ioredis 5', (port: number) => new Redis5({ ...OPTIONS, port })],
  ['ioredis 6', (port: number) => new Redis6({ ...OPTIONS, port, protocol: 2 })],
])('a connection of %s', (_driver, connect) => {
  /** A connection, the server's end of it, and the clock by which it waits for answers. */
  async function connected() {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const redis = connect((server.address() as AddressInfo).port);
    onTestFinished(() => {
      redis.disconnect();
      server.close();
    });
    const errors: string[] = [];
    redis.on('error', ({ message }) => errors.push(message));
    const clock = new VirtualClock();
    onTestFinished(watchOver(redis, clock));
    const [[socket]] = (await Promise.all([once(server, 'connection'), once(redis, 'ready')])) as [
      [Socket],
      unknown,
    ];
    return { redis, server, socket, clock, errors };
  }

  it('is given up once its oldest command has had no answer for 10 s, and not sooner', async () => {
    const { redis, server, socket, clock, errors } = await connected();
    const first = redis.ping();
    await once(socket, 'data');
    await clock.advance(SILENCE_MS - 1);
    socket.write('+PONG\r\n');
    expect(await first).toBe('PONG');
    const unanswered = expect(redis.ping()).rejects.toThrow();
    await clock.advance(SILENCE_MS - 1);
    expect(redis.stream.destroyed).toBe(false);
    const next = once(server, 'connection');
    await clock.advance(SILENCE_MS);
    await Promise.all([unanswered, next]);
    expect(errors).toEqual(['no answer within 10000 ms']);
  });

  it('is not given up while nothing waits for an answer, nor while answers come', async () => {
    const { redis, socket, clock } = await connected();
    await clock.advance(10 * SILENCE_MS);
    let oldest = redis.ping();
    for (let answered = 0; answered < 8; answered += 1) {
      const next = redis.ping();
      await clock.advance(SILENCE_MS / 2);
      socket.write('+PONG\r\n');
      await oldest;
      oldest = next;
    }
    oldest.catch(() => undefined);
    expect(redis.stream.destroyed).toBe(false);
  });

  it('that is lost with a command unanswered does not take the next one with it', async () => {
    const { redis, socket, clock } = await connected();
    const unanswered = expect(redis.ping()).rejects.toThrow();
    await once(socket, 'data');
    await clock.advance(SILENCE_MS - 1);
    const again = once(redis, 'ready');
    socket.destroy();
    await Promise.all([unanswered, again]);
    await clock.advance(10 * SILENCE_MS);
    expect(redis.stream.destroyed).toBe(false);
    const closed = once(redis, 'close');
    redis.disconnect();
    await closed;
    expect(clock.pendingTimers).toBe(0);
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
    const stop = watchOver(redis, clock);
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
    const stop = watchOver(redis, clock);
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
