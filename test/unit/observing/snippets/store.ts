import { AsyncLocalStorage } from 'node:async_hooks';
import { channel } from 'node:diagnostics_channel';
import type { QuorlockChannels } from '../../../../src/index.ts';

/** What the running code is doing under a lock, if it runs inside of a `using`. */
export const current = new AsyncLocalStorage<QuorlockChannels['quorlock:using']>();

channel('tracing:quorlock:using:start').bindStore(current);
