import { list, shorten } from '../base/describe.ts';
import { platform } from '../base/platform.ts';
import type { RedlockWarning } from '../base/warning.ts';
import type { Client } from '../wire/client.ts';
import type { NodeSource } from './nodes.ts';

/** Clients that were handed in and warned of; one program may make several Redlocks of the same clients. */
const warnedOf = new WeakSet<object>();

/** Tells of nodes that work but weaken what a lock promises, once a client. */
export function warnOfNodes(
  clients: readonly Client[],
  sources: readonly NodeSource[],
  usesMarker: boolean,
  warn: (warning: RedlockWarning) => void,
): void {
  clients.forEach((client, index) => {
    const source = sources[index];
    if (client.unsafeSettings.length === 0 || typeof source !== 'object' || warnedOf.has(source)) return;
    warnedOf.add(source);
    warn({
      code: 'QUORLOCK_UNSAFE_CLIENT',
      message: `the client of ${shorten(client.address)} has settings that are unsafe for locks. ${client.unsafeSettings.join('. ')}`,
    });
  });
  const clusters = clients.filter(({ isCluster }) => isCluster);
  if (usesMarker && clusters.length > 0) {
    warn({
      code: 'QUORLOCK_CLUSTER',
      message:
        `${list(clusters.map(({ address }) => shorten(address)))}: a Redis Cluster has no quarantine, and a failover in ` +
        "it may give a held lock away. Use single masters, or say quarantine: 'off'",
    });
  }
  if (clients.length % 2 === 0) {
    warn({
      code: 'QUORLOCK_EVEN_NODES',
      message:
        `${clients.length} nodes survive no more failures than ${clients.length - 1} would, and can tie. ` +
        'Add or remove one',
    });
  }
}

/** A listener that throws does so on its own: it must not break whoever had something to tell. */
export function outsideOurs(listener: (warning: RedlockWarning) => void): (warning: RedlockWarning) => void {
  return (warning) => {
    try {
      listener(warning);
    } catch (error) {
      platform.queueMicrotask(() => {
        throw error;
      });
    }
  };
}

/** Warns as Node does; `--trace-warnings` and `process.on('warning')` work. */
export function emitWarning({ code, message }: RedlockWarning): void {
  process.emitWarning(message, { type: 'QuorlockWarning', code });
}
