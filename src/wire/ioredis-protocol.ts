/** The part of an ioredis client, version 5 or 6, that connects. */
interface Connecting {
  readonly options: object;
  on(event: string, listener: (error: Error) => void): unknown;
}

/**
 * Has a client go on with RESP2 where RESP3 is not to be had. The driver does that by itself for a server that does not
 * know RESP3, but not for one that forbids HELLO, nor for a proxy that hangs up on it.
 *
 * @param speaksOldProtocol whether the program's own client speaks RESP2 there: then it is tried whatever fails first
 */
export function fallBackToOldProtocol(client: Connecting, speaksOldProtocol: boolean): void {
  const options = client.options as { protocol?: number };
  let isGreeting = false;
  client.on('connect', () => {
    isGreeting = true;
  });
  client.on('ready', () => {
    isGreeting = false;
  });
  client.on('error', ({ message }) => {
    if (isGreeting && /\bhello\b/i.test(message)) options.protocol = 2;
  });
  client.on('close', () => {
    if (isGreeting && speaksOldProtocol) options.protocol = 2;
    isGreeting = false;
  });
}
