import { SystemClock, type Timer } from '../base/clock.ts';

/**
 * How long a connection may leave a command without hearing anything; then the driver takes it for dead and makes a new
 * one. The kernel would take a quarter of an hour. Longer than a healthy server is busy with one thing.
 */
export const SOCKET_TIMEOUT_MS = 10_000;

/** What is needed of an ioredis client, version 5 or 6. */
interface Closing {
  on(event: 'close', listener: () => void): unknown;
}

/**
 * Ends the wait for an answer with the connection that it was for. ioredis 5 goes on with it, then ends the next
 * connection, with which nothing is wrong, and meanwhile keeps the process from ending.
 */
export function endSilenceWithConnection(client: Closing): void {
  client.on('close', () => {
    const waiting = client as { socketTimeoutTimer?: NodeJS.Timeout | undefined };
    endTimer(waiting.socketTimeoutTimer);
    waiting.socketTimeoutTimer = undefined;
  });
}

/** What is needed of one that connects again. */
interface Reconnecting {
  readonly status: string;
  on(event: 'reconnecting', listener: () => void): unknown;
  connect(): Promise<void>;
}

/** Longer than the driver ever waits by itself before it connects again. */
const OVERDUE_MS = 1_000;

/**
 * Connects again where the driver does not come to it: it waits for that on a timer that may be a fake one, which somebody
 * else moves, or takes away.
 */
export function reconnectInRealTime(client: Reconnecting): void {
  const clock = new SystemClock();
  let overdue: Timer | undefined;
  const connect = () => {
    if (client.status !== 'reconnecting') return;
    client.connect().catch(() => {
      // Its state tells.
    });
  };
  client.on('reconnecting', () => {
    overdue?.cancel();
    overdue = clock.after(OVERDUE_MS, connect, { keepAlive: false });
  });
}

/** The driver takes the timers that are there when it needs one. Fake ones may have come, or gone, since. */
function endTimer(timer: NodeJS.Timeout | undefined): void {
  if (typeof timer?.close === 'function') timer.close();
  else clearTimeout(timer);
}
