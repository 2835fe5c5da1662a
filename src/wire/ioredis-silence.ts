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
    clearTimeout(waiting.socketTimeoutTimer);
    waiting.socketTimeoutTimer = undefined;
  });
}
