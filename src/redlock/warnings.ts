import { isolated } from '../base/callback.ts';
import { list, shorten } from '../base/describe.ts';
import { warned } from '../base/diagnostics.ts';
import type { RedlockWarning } from '../base/warning.ts';
import type { Client } from '../wire/client.ts';

/** Warns of nodes that work but weaken what a lock promises. */
export function warnOfNodes(
  clients: readonly Client[],
  usesMarker: boolean,
  warn: (warning: RedlockWarning) => void,
): void {
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

/** Publishes each warning, and isolates the errors of its listener: they must not break the code that warns. */
export function isolateErrors(
  listener: (warning: RedlockWarning) => void,
): (warning: RedlockWarning) => void {
  return (warning) => {
    if (warned.hasSubscribers) warned.publish(warning);
    isolated('onWarning', () => listener(warning));
  };
}

/** Warns as Node does; `--trace-warnings` and `process.on('warning')` work. */
export function emitWarning({ code, message }: RedlockWarning): void {
  process.emitWarning(message, { type: 'QuorlockWarning', code });
}
