import { Redis } from 'ioredis';
import { Redlock } from '../../../../src/index.ts';

export function open(urls: readonly string[]) {
  const clients = urls.map((url) => new Redis(url, { connectionName: 'shop' }));
  const redlock = new Redlock(clients, { onWarning: ({ code, message }) => console.warn(code, message) });
  return { redlock, clients }; // the clients are yours to use as you like, and to close
}
