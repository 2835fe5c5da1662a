// A process of contenders, compiled and started by scripts/bench/contention. It does what it is told, and ends when
// its coordinator is gone.

import { adapters } from '../peers/adapters.ts';
import type { Peer } from '../peers/peer.ts';
import { alone } from './alone.ts';
import { burst } from './burst.ts';
import { CommandCounter } from './commands.ts';
import { cycles } from './cycles.ts';
import { heapBytes } from './heap.ts';
import { Hoard } from './hoard.ts';
import type { FromWorker, ToWorker } from './protocol.ts';
import { run } from './run.ts';

/** Undisturbed acquisitions of a process before it is measured: connections, scripts, the first compilation. */
const WARM_UP_CYCLES = 20;

/** A process whose coordinator has gone ends itself. */
const CLOSED_WITHIN_MS = 1_000;

const commands = new CommandCounter();
const hoard = new Hoard();
let peer: Peer | undefined;

async function answer(message: ToWorker): Promise<FromWorker> {
  if (message.kind === 'heap') {
    return { kind: 'heap', heapBytes: heapBytes(), residentBytes: process.memoryUsage().rss };
  }
  if (message.kind === 'load') {
    const adapter = await adapters[message.peer]();
    peer = await adapter.start(message.urls, message.settings);
    for (let cycle = 0; cycle < WARM_UP_CYCLES; cycle += 1) {
      const release = await peer.acquire(`warm-up:${process.pid}`);
      await release();
    }
    return { kind: 'loaded' };
  }
  if (peer === undefined) throw new Error('no library was loaded yet');
  if (message.kind === 'run') return { kind: 'run', ...(await run(peer, message, commands)) };
  if (message.kind === 'burst') return { kind: 'burst', ...(await burst(peer, message)) };
  if (message.kind === 'cycles') return { kind: 'cycles', ...(await cycles(peer, message)) };
  if (message.kind === 'hoard') return { kind: 'hoard', held: await hoard.grow(peer, message) };
  if (message.kind === 'hold') {
    const askedAt = process.hrtime.bigint();
    await peer.acquire(message.resource, message.ttl);
    return { kind: 'hold', askedAt };
  }
  return { kind: 'alone', acquireMs: await alone(peer, message.resource, message.durationMs) };
}

process.on('message', async (message: ToWorker) => {
  process.send?.(await answer(message));
});
process.once('disconnect', async () => {
  setTimeout(() => process.exit(), CLOSED_WITHIN_MS);
  await peer?.close();
  process.exit();
});
