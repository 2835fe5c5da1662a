import { Redis } from 'ioredis';
import { Redlock } from '../../../../src/index.ts';

export function open(urls: readonly string[]) {
  const safe = { enableOfflineQueue: false, autoResendUnfulfilledCommands: false };
  const clients = urls.map((url) => new Redis(url, safe));
  const redlock = new Redlock(clients, { onWarning: ({ code, message }) => console.warn(code, message) });
  return { redlock, clients }; // the clients are yours to close
}
