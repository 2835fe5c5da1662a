// Orders in a BullMQ queue. Of the processes that charge them one is killed and one is stopped in the middle of an order.
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { startMasters, startServers } from '../support/masters.ts';
import { printTable } from '../support/table.ts';
import { type Member, Team } from '../support/team.ts';
import { soon } from '../support/until.ts';
import { ACCOUNT, accountIn, type Order } from './account.ts';
import type { Deeds, Task } from './worker.ts';

const ORDERS = 40;
const AMOUNT = 10;
const HEALTHY_WORKERS = 2;

await using masters = await startMasters();
await using servers = await startServers(2);
const [storeUrl = '', queueUrl = ''] = servers.urls;
const store = new Redis(storeUrl);
try {
  printTable(
    `${ORDERS} orders of ${AMOUNT}; one worker is killed in the middle of its order, one stopped for a while`,
    ['charged', 'orders', 'deliveries', 'charges', 'charged twice', 'late writes refused', 'balance'],
    [await run('plainly'), await run('once, by token')],
  );
} finally {
  store.disconnect();
}

async function run(way: Task['way']) {
  await store.flushall();
  const connection = { url: queueUrl, maxRetriesPerRequest: null };
  const queue = new Queue<Order>(way, { connection });
  await using team = await Team.start<Task | 'finish', Deeds>(
    new URL('worker.ts', import.meta.url),
    2 + HEALTHY_WORKERS,
  );
  const [killed, stopped, ...healthy] = team.members as [Worker, Worker, ...Worker[]];
  const start = (worker: Worker, trouble: Task['trouble']) =>
    worker.do({ masters: masters.urls, store: storeUrl, queue: { url: queueUrl, name: way }, way, trouble });

  const orders = Array.from({ length: ORDERS }, (_, index) => ({ id: index + 1, amount: AMOUNT }));
  await queue.addBulk(orders.map((data) => ({ name: 'charge', data })));
  // Its order is under way when it dies, so that this task may never be answered.
  start(killed, 'killed').catch(() => undefined);
  await killed.gone;
  await start(stopped, 'stopped');
  await stopped.heard('stopped');
  await Promise.all(healthy.map((worker) => start(worker, 'none')));
  await soon(async () => ((await queue.getCompletedCount()) === ORDERS ? true : null));

  // All is done, and now the one that was stopped goes on where it was.
  stopped.resume();
  const deeds = await Promise.all([stopped, ...healthy].map((worker) => worker.do('finish')));
  await queue.close();
  const { balance, orders: charges } = accountIn(await store.get(ACCOUNT));
  const refused = deeds.reduce((sum, { refusedWrites }) => sum + refusedWrites, 0);
  const twice = charges.length - new Set(charges).size;
  return [way, ORDERS, Number(await store.get('deliveries')), charges.length, twice, refused, balance];
}

type Worker = Member<Task | 'finish', Deeds>;
