import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { PGlite } from '@electric-sql/pglite';
import sqlite from 'node-sqlite3-wasm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { StaleTokenError } from '../../../src/fencing/index.ts';
import { shownOn, snippetsIn } from '../../support/snippets.ts';
import { readTitle, writeTitle } from '../../unit/fencing/snippets/fence-column.ts';
import { put } from '../../unit/fencing/snippets/http-client.ts';
import { server } from '../../unit/fencing/snippets/http-server.ts';
import { close } from '../../unit/fencing/snippets/own-transaction.ts';
import { migrate, withdraw } from '../../unit/fencing/snippets/postgres.ts';
import { rename } from '../../unit/fencing/snippets/sqlite.ts';

const newer = { token: 11 };
const older = { token: 10 };

describe('docs/fencing.md', () => {
  it('shows the snippets that are run here and in test/fleet/fencing-guard.test.ts, letter by letter', async () => {
    const page = await readFile(new URL('../../../docs/fencing.md', import.meta.url), 'utf8');
    const run = await snippetsIn(new URL('../../unit/fencing/snippets/', import.meta.url));
    expect(shownOn(page).toSorted()).toEqual(run.toSorted());
  });
});

describe('the snippets for PostgreSQL', () => {
  let db: PGlite;
  beforeAll(async () => {
    db = await PGlite.create();
    await migrate(db);
    await db.exec(`
      CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL, closed boolean NOT NULL DEFAULT false);
      INSERT INTO accounts VALUES (7, 100);
      CREATE TABLE documents (id int PRIMARY KEY, title text NOT NULL, fence bigint NOT NULL DEFAULT 0);
      INSERT INTO documents VALUES (7, 'first');
    `);
  });
  afterAll(() => db.close());

  it('guard a transaction', async () => {
    await withdraw(db, newer, 30);
    await expect(withdraw(db, older, 50)).rejects.toThrow(StaleTokenError);
    await withdraw(db, newer, 20);
    expect((await db.query('SELECT balance FROM accounts')).rows).toEqual([{ balance: 50 }]);
  });

  it('guard a transaction that a library manages', async () => {
    await expect(close(db, older)).rejects.toThrow(StaleTokenError);
    expect((await db.query('SELECT closed FROM accounts')).rows).toEqual([{ closed: false }]);
    await close(db, newer);
    expect((await db.query('SELECT closed FROM accounts')).rows).toEqual([{ closed: true }]);
  });

  it('guard a row by a column of its own', async () => {
    const query = async (text: string, values: (string | number)[]) =>
      (await db.query<object>(text, values)).rows;
    await expect(readTitle(query, older)).resolves.toEqual({ title: 'first' });
    await expect(readTitle(query, newer)).resolves.toEqual({ title: 'first' });
    await expect(writeTitle(query, older, 'late')).rejects.toThrow(StaleTokenError);
    await expect(readTitle(query, older)).rejects.toThrow(StaleTokenError);
    await writeTitle(query, newer, 'second');
    await writeTitle(query, newer, 'third');
    await expect(readTitle(query, newer)).resolves.toEqual({ title: 'third' });
  });
});

describe('the snippet for SQLite', () => {
  it('guards a transaction', async () => {
    const db = new sqlite.Database(':memory:');
    const all = (text: string, values: (string | number)[]): object[] => db.all(text, values);
    db.exec(
      "CREATE TABLE documents (id integer PRIMARY KEY, title text); INSERT INTO documents VALUES (7, 'first')",
    );
    await rename(all, newer, 'second');
    await expect(rename(all, older, 'late')).rejects.toThrow(StaleTokenError);
    expect(all('SELECT title FROM documents', [])).toEqual([{ title: 'second' }]);
    db.close();
  });
});

describe('the snippets for HTTP', () => {
  afterEach(() => {
    server.close().closeAllConnections();
  });

  it('guard a server', async () => {
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/7`;
    await put(url, newer, 'second');
    await expect(put(url, older, 'late')).rejects.toThrow(
      'fencing token 10 is stale: "/7" has seen token 11',
    );
    const response = await fetch(url, { headers: { 'Fencing-Token': '11' } });
    expect(await response.text()).toBe('second');
    expect((await fetch(url)).status).toBe(428);
    expect((await fetch(url, { headers: { 'Fencing-Token': 'eleven' } })).status).toBe(400);
  });
});
