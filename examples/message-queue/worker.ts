// A process with a BullMQ worker, for main.ts.
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { StaleTokenError } from 'quorlock/fencing';
import { openRedlock } from '../support/masters.ts';
import { say, serve } from '../support/serve.ts';
import { chargeOnce, chargePlainly, type Interruption, type Order } from './account.ts';

export interface Task {
  readonly masters: readonly string[];
  readonly store: string;
  readonly queue: { readonly url: string; readonly name: string };
  readonly way: 'plainly' | 'once, by token';
  /** What happens to this process in the middle of its first order. */
  readonly trouble: 'none' | 'killed' | 'stopped';
}

/** What a worker has done. */
export interface Deeds {
  readonly deliveries: number;
  readonly refusedWrites: number;
}

/** Works until no order is left, which main.ts says with a second task, "finish". */
let finish: () => Promise<Deeds>;

serve(async (task: Task | 'finish'): Promise<Deeds> => {
  if (task === 'finish') return finish();
  const { masters, store: url, queue, way, trouble } = task;
  const store = new Redis(url);
  const redlock = openRedlock(masters);
  let wasStopped = false;
  const interrupt: Interruption = async (moment) => {
    if (trouble === 'killed' && moment === 'after') process.kill(process.pid, 'SIGKILL');
    if (trouble === 'stopped' && moment === 'before' && !wasStopped) {
      wasStopped = true;
      await stop();
    }
  };
  const charge = way === 'plainly' ? chargePlainly(store, interrupt) : chargeOnce(redlock, store, interrupt);

  let deliveries = 0;
  let refusedWrites = 0;
  const worker = new Worker<Order>(
    queue.name,
    async ({ data }) => {
      deliveries += 1;
      await store.incr('deliveries');
      try {
        await charge(data);
      } catch (error) {
        if (error instanceof StaleTokenError) refusedWrites += 1;
        throw error;
      }
    },
    {
      connection: { url: queue.url, maxRetriesPerRequest: null },
      // Short, so that the orders of a dead process are soon given to another. The defaults are 30 s.
      lockDuration: 1_000,
      stalledInterval: 500,
      maxStalledCount: 10,
    },
  );
  // A worker that was stopped is told that its order has gone to another.
  worker.on('error', () => undefined);
  await worker.waitUntilReady();
  finish = async () => {
    await worker.close();
    await redlock.close();
    store.disconnect();
    return { deliveries, refusedWrites };
  };
  return { deliveries, refusedWrites };
});

/** Stops this process, as a long collection of garbage or a suspended machine would, until it is resumed. */
async function stop(): Promise<void> {
  await say('stopped');
  process.kill(process.pid, 'SIGSTOP');
}
