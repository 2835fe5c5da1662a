// The store that the load writes to: PostgreSQL in a process of its own, behind HTTP, started by store.ts. PostgreSQL is
// compiled to WebAssembly and has one session here, so that requests are served one after another.
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { PGlite } from '@electric-sql/pglite';
import { type SqlQuery, StaleTokenError, sqlGuard } from '../../../../src/fencing/index.ts';
import type { Account, Reading, ReadRequest, WriteReply, WriteRequest } from './protocol.ts';

const SCHEMA = `
  CREATE TABLE counters (resource text PRIMARY KEY, guarded bigint NOT NULL, unguarded bigint NOT NULL);
  CREATE TABLE writes (
    id bigserial PRIMARY KEY, resource text NOT NULL, way text NOT NULL, token bigint NOT NULL);
`;

const INSERT_WRITE = 'INSERT INTO writes (resource, way, token) VALUES ($1, $2, $3)';

const ACCOUNTS = `
  WITH ordered AS (
    SELECT *, max(token) OVER (PARTITION BY resource, way ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
      AS highest_before FROM writes)
  SELECT resource, way, count(*)::int AS writes, (count(*) FILTER (WHERE token < highest_before))::int AS late,
    (SELECT CASE ordered.way WHEN 'guarded' THEN guarded ELSE unguarded END FROM counters
      WHERE counters.resource = ordered.resource)::int AS value
  FROM ordered GROUP BY resource, way ORDER BY resource, way`;

interface AccountRow {
  readonly resource: string;
  readonly way: Account['way'];
  readonly writes: number;
  readonly late: number;
  readonly value: number;
}

const db = await PGlite.create();
await db.exec(SCHEMA);
const query: SqlQuery = async (text, values) => (await db.query<object>(text, values)).rows;
const guard = sqlGuard({ dialect: 'postgres' });
await query(guard.createTable.text, guard.createTable.values);
const guarded = guard.on(query);
const refusals = new Map<string, number>();

async function counterOf(resource: string, column: 'guarded' | 'unguarded'): Promise<number> {
  const { rows } = await db.query<{ readonly value: number }>(
    `SELECT ${column}::int AS value FROM counters WHERE resource = $1`,
    [resource],
  );
  return rows[0]?.value ?? 0;
}

async function set(
  resource: string,
  column: 'guarded' | 'unguarded',
  value: number,
  token: number,
): Promise<void> {
  await db.query(
    `INSERT INTO counters AS c (resource, guarded, unguarded) VALUES ($1, $2, $3)
      ON CONFLICT (resource) DO UPDATE SET ${column} = excluded.${column}`,
    [resource, column === 'guarded' ? value : 0, column === 'unguarded' ? value : 0],
  );
  await db.query(INSERT_WRITE, [resource, column, token]);
}

/** Undefined if the guard refused. */
async function unlessStale<T>(
  resource: string,
  token: number,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await guarded.transaction(resource, token, work);
  } catch (error) {
    if (!(error instanceof StaleTokenError)) throw error;
    refusals.set(resource, (refusals.get(resource) ?? 0) + 1);
    return undefined;
  }
}

/** By the guard's way in one transaction with the token's registration, and by the other way without any. */
async function read({ resource, token }: ReadRequest): Promise<Reading> {
  return {
    guarded: await unlessStale(resource, token, () => counterOf(resource, 'guarded')),
    unguarded: await counterOf(resource, 'unguarded'),
  };
}

async function write({ resource, token, read: seen }: WriteRequest): Promise<WriteReply> {
  await set(resource, 'unguarded', seen.unguarded + 1, token);
  const { guarded: value } = seen;
  if (value === undefined) return { guarded: 'none' };
  const done = await unlessStale(resource, token, async () => {
    await set(resource, 'guarded', value + 1, token);
    return true;
  });
  return { guarded: done ? 'done' : 'refused' };
}

async function accounts(): Promise<readonly Account[]> {
  const { rows } = await db.query<AccountRow>(ACCOUNTS);
  return rows.map(({ resource, way, writes, late, value }) => ({
    resource,
    way,
    writes,
    value,
    outOfOrder: late,
    refused: way === 'guarded' ? (refusals.get(resource) ?? 0) : 0,
  }));
}

async function serve(path: string | undefined, body: unknown): Promise<unknown> {
  if (path === '/read') return read(body as ReadRequest);
  if (path === '/write') return write(body as WriteRequest);
  return accounts();
}

/** The request that is served last. */
let line: Promise<unknown> = Promise.resolve();

const server = createServer((request, response) => {
  void json(request).then(
    (body) => {
      const turn = line.then(() => serve(request.url, body));
      line = turn.catch(() => undefined);
      turn.then(
        (reply) => response.end(JSON.stringify(reply)),
        (error: unknown) => {
          response.statusCode = 500;
          response.end(String(error));
        },
      );
    },
    // The process that asked is gone.
    () => response.destroy(),
  );
});
// A worker that was stopped for long must not find that its connection has been closed meanwhile.
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null)
    process.send?.({ kind: 'serving', port: address.port });
});
// A Ctrl-C reaches every process of the terminal; the one that started this one decides what comes of it.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit());
