import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import sqlite from 'node-sqlite3-wasm';
import type { SqlGuardOptions, SqlQuery } from '../../../src/fencing/index.ts';

/** A real database engine that runs inside the test process. */
export interface Database {
  readonly dialect: SqlGuardOptions['dialect'];
  /** The first connection. */
  readonly query: SqlQuery;
  /** Another connection to the same data; undefined where the engine has only one. */
  connect?(): SqlQuery;
  close(): Promise<void>;
}

/** PostgreSQL itself, compiled to WebAssembly: one session. */
export async function openPostgres(): Promise<Database> {
  const db = await PGlite.create();
  return {
    dialect: 'postgres',
    query: async (text, values) => (await db.query<object>(text, values)).rows,
    close: () => db.close(),
  };
}

/** SQLite itself, compiled to WebAssembly, on a file: any number of connections with real locks. */
export async function openSqlite(): Promise<Database> {
  const directory = await mkdtemp(join(tmpdir(), 'quorlock-sqlite-'));
  const opened: sqlite.Database[] = [];
  const connect = (): SqlQuery => {
    const db = new sqlite.Database(join(directory, 'test.db'));
    opened.push(db);
    return (text, values) => db.all(text, values);
  };
  return {
    dialect: 'sqlite',
    query: connect(),
    connect,
    close: async () => {
      for (const db of opened) db.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
