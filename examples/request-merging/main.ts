// A cache stampede: a thousand callers in four processes want what has just dropped out of the cache.
import { Redis } from 'ioredis';
import { startMasters, startServers } from '../support/masters.ts';
import { PostgresServer } from '../support/postgres.ts';
import { printTable } from '../support/table.ts';
import { Team } from '../support/team.ts';
import type { Task } from './callers.ts';

const PROCESSES = 4;
const CALLERS = 250;

/** How slow the database is. */
const LATENCY_MS = 300;
const ORDERS = `
  CREATE TABLE orders (id int PRIMARY KEY, amount int NOT NULL);
  INSERT INTO orders SELECT i, i % 100 FROM generate_series(1, 5000) AS i;
`;

await using masters = await startMasters();
await using caches = await startServers(1);
await using database = await PostgresServer.start(ORDERS, LATENCY_MS);
await using team = await Team.start<Task, string[]>(new URL('callers.ts', import.meta.url), PROCESSES);
const [cacheUrl = ''] = caches.urls;
const cache = new Redis(cacheUrl);

const rows: (string | number)[][] = [];
for (const way of ['cache', 'merged', 'locked', 'merged and locked'] as const) {
  await cache.flushall();
  database.queries = 0;
  const startedAt = performance.now();
  const answers = await team.all({
    masters: masters.urls,
    cache: cacheUrl,
    database: database.url,
    way,
    callers: CALLERS,
  });
  const elapsedMs = performance.now() - startedAt;
  rows.push([way, PROCESSES * CALLERS, database.queries, new Set(answers.flat()).size, elapsedMs.toFixed(0)]);
}
cache.disconnect();

printTable(
  `${PROCESSES * CALLERS} callers in ${PROCESSES} processes want one report that is not in the cache`,
  ['way', 'callers', 'queries', 'different answers', 'ms until all had it'],
  rows,
);
