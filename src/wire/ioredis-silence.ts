import { type Clock, SystemClock, type Timer } from '../base/clock.ts';

/**
 * How long a connection may leave a command without any answer; then the driver takes it for dead and makes a new one.
 * The kernel would take a quarter of an hour. Longer than a healthy server is busy with one command.
 */
export const SOCKET_TIMEOUT_MS = 10_000;

/** The part of an ioredis client, version 5 or 6, that closes. */
interface Closing {
  on(event: 'close', listener: () => void): unknown;
}

/**
 * Ends the wait for an answer together with its connection. ioredis 5 goes on waiting, then ends the next connection,
 * which is healthy, and meanwhile keeps the process from ending.
 */
export function endSilenceWithConnection(client: Closing): void {
  client.on('close', () => {
    const waiting = client as { socketTimeoutTimer?: NodeJS.Timeout | undefined };
    endTimer(waiting.socketTimeoutTimer);
    waiting.socketTimeoutTimer = undefined;
  });
}

/** The part of an ioredis client that connects again. */
interface Reconnecting {
  readonly status: string;
  on(event: 'reconnecting', listener: () => void): unknown;
  connect(): Promise<void>;
}

/** Longer than the driver ever waits by itself before it connects again. */
const OVERDUE_MS = 1_000;

/**
 * Connects again where the driver's own timer does not fire: a test's fake one, which it moves, or takes away.
 *
 * @returns stops that. A client that is disconnected while it waits to connect again stays `reconnecting` for good, so
 *   this has to be called with every `disconnect()`
 */
export function reconnectInRealTime(client: Reconnecting, clock: Clock = new SystemClock()): () => void {
  let overdue: Timer | undefined;
  let isStopped = false;
  const connect = () => {
    if (client.status !== 'reconnecting' || isStopped) return;
    client.connect().catch(() => {
      // The client's state tells the outcome.
    });
  };
  client.on('reconnecting', () => {
    overdue?.cancel();
    if (!isStopped) overdue = clock.after(OVERDUE_MS, connect, { keepAlive: false });
  });
  return () => {
    isStopped = true;
    overdue?.cancel();
  };
}

/** The driver takes the timer functions that exist at the moment: a test may have replaced them since. */
function endTimer(timer: NodeJS.Timeout | undefined): void {
  if (typeof timer?.close === 'function') timer.close();
  else clearTimeout(timer);
}
