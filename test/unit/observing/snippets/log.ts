import { subscribe } from 'node:diagnostics_channel';
import type { QuorlockChannels } from '../../../../src/index.ts';

export function logLocks(log: (line: string) => void): void {
  subscribe('tracing:quorlock:acquire:asyncEnd', (message) => {
    const { resources, granted, elapsedMs, attempts } = message as QuorlockChannels['quorlock:acquire'];
    if (granted !== true) log(`${resources} not locked, after ${elapsedMs} ms and ${attempts} attempts`);
  });
  subscribe('quorlock:lock:lost', (message) => {
    const { resources, heldMs, error } = message as QuorlockChannels['quorlock:lock:lost'];
    log(`${resources} lost after ${heldMs} ms: ${error.message}`);
  });
}
