import type { Client } from '../wire/client.ts';
import type { NodeSource } from './nodes.ts';
import type { RedlockWarning } from './options.ts';

/** Clients that were handed in and warned of; one program may make several Redlocks of the same clients. */
const warnedOf = new WeakSet<object>();

/** Tells of nodes that work but weaken what a lock promises, once a client. */
export function warnOfNodes(
  clients: readonly Client[],
  sources: readonly NodeSource[],
  warn: (warning: RedlockWarning) => void = emitWarning,
): void {
  clients.forEach((client, index) => {
    const source = sources[index];
    if (client.unsafeSettings.length === 0 || typeof source !== 'object' || warnedOf.has(source)) return;
    warnedOf.add(source);
    warn({
      code: 'QUORLOCK_UNSAFE_CLIENT',
      message: `the client of ${client.address} has settings that are unsafe for locks. ${client.unsafeSettings.join('. ')}`,
    });
  });
  if (clients.length % 2 === 0) {
    warn({
      code: 'QUORLOCK_EVEN_NODES',
      message:
        `${clients.length} nodes survive no more failures than ${clients.length - 1} would, and can tie. ` +
        'Add or remove one',
    });
  }
}

function emitWarning({ code, message }: RedlockWarning): void {
  process.emitWarning(message, { type: 'QuorlockWarning', code });
}
