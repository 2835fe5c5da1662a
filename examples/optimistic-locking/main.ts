// A version column, a lock, and both, where callers rarely meet and where they always do.
import { startMasters } from '../support/masters.ts';
import { connect, PostgresServer } from '../support/postgres.ts';
import { bar, printTable } from '../support/table.ts';
import { Team } from '../support/team.ts';
import type { Task } from './pricers.ts';
import { SCHEMA } from './pricing.ts';

const PROCESSES = 4;
const CALLERS = 6;
const RAISES = 5;
const CHANGES = PROCESSES * CALLERS * RAISES;
const WAYS = ['version', 'lock', 'both'] as const;

await using masters = await startMasters();
await using database = await PostgresServer.start(SCHEMA);
await using team = await Team.start<Task, number>(new URL('pricers.ts', import.meta.url), PROCESSES);
const query = connect(database.url);

// What happens once in a program's life, connections above all, is not to be measured.
for (const way of WAYS) await run(way, 1_000);

const runs = [];
for (const products of [1_000, 20, 1]) {
  for (const way of WAYS) runs.push(await run(way, products));
}
const most = Math.max(...runs.map(({ retries }) => retries));
const fastest = Math.max(...runs.map(({ perSecond }) => perSecond));
printTable(
  `${PROCESSES * CALLERS} callers in ${PROCESSES} processes make ${CHANGES} changes`,
  ['products', 'way', 'lost', 'statements', 'begun again', 'changes per second'],
  runs.map(({ products, way, made, statements, retries, perSecond }) => [
    products,
    way,
    CHANGES - made,
    statements,
    bar(retries, most),
    bar(perSecond, fastest),
  ]),
);
console.log(`
Where callers rarely meet, a version column is all it takes. Where they often do, it makes them work for nothing, and
a lock makes them wait instead. With both, the version also sees who goes around the lock.`);

async function run(way: Task['way'], products: number) {
  await query('TRUNCATE products');
  await query('INSERT INTO products SELECT generate_series(1, $1::int)', [products]);
  const before = database.queries;
  const startedAt = performance.now();
  const retries = await team.all({
    masters: masters.urls,
    database: database.url,
    way,
    products,
    callers: CALLERS,
    raises: RAISES,
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  const statements = database.queries - before;
  const [sum] = await query<{ made: number }>('SELECT sum(price)::int AS made FROM products');
  return {
    products,
    way,
    made: sum?.made ?? 0,
    retries: retries.reduce((total, each) => total + each, 0),
    statements,
    perSecond: CHANGES / seconds,
  };
}
