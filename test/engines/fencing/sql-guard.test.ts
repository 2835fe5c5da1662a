import { setImmediate as nextTick } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type SqlConnectionGuard,
  type SqlGuard,
  type SqlQuery,
  StaleTokenError,
  sqlGuard,
} from '../../../src/fencing/index.ts';
import {
  BAD_TOKENS,
  HOSTILE_NAMES,
  interleavings,
  pausedHolderStory,
  playAgainstModel,
  type Store,
} from '../../unit/fencing/holders.ts';
import { type Database, openPostgres, openSqlite } from './databases.ts';

describe.each([
  ['PostgreSQL', openPostgres],
  ['SQLite', openSqlite],
])('sqlGuard on %s', (_name, open) => {
  let db: Database;
  let guard: SqlGuard;
  let connection: SqlConnectionGuard;
  let resources = 0;

  /** `?` placeholders, in the way of either dialect. */
  const run = async (text: string, values: (string | number)[] = []): Promise<readonly object[]> => {
    let count = 0;
    const own = db.dialect === 'sqlite' ? text : text.replaceAll('?', () => `$${++count}`);
    return db.query(own, values);
  };
  const freshResource = () => `resource ${++resources}`;
  const textOf = (rows: readonly object[]) => {
    const [row] = rows;
    return row !== undefined && 'body' in row ? String(row.body) : null;
  };

  /** A row of its own, guarded by the register and a transaction. */
  function transactionStore(resource = freshResource()): Store {
    return {
      read: (token) =>
        connection.transaction(resource, token, async () =>
          textOf(await run('SELECT body FROM documents WHERE id = ?', [resource])),
        ),
      write: (token, value) =>
        connection.transaction(resource, token, async () => {
          await run(
            'INSERT INTO documents (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body',
            [resource, value],
          );
        }),
    };
  }

  /** A row that carries its own token: one statement to register and read, one to write. */
  async function columnStore(resource = freshResource()): Promise<Store> {
    await run('INSERT INTO fenced (id, body, fence) VALUES (?, ?, 0)', [resource, '']);
    const refuseNone = async (rows: readonly object[], token: number) => {
      if (rows.length > 0) return rows;
      const [row] = await run('SELECT fence FROM fenced WHERE id = ?', [resource]);
      throw new StaleTokenError(
        resource,
        token,
        row !== undefined && 'fence' in row ? Number(row.fence) : undefined,
      );
    };
    return {
      read: async (token) =>
        textOf(
          await refuseNone(
            await run('UPDATE fenced SET fence = ? WHERE id = ? AND fence <= ? RETURNING body', [
              token,
              resource,
              token,
            ]),
            token,
          ),
        ),
      write: async (token, value) => {
        await refuseNone(
          await run('UPDATE fenced SET body = ?, fence = ? WHERE id = ? AND fence <= ? RETURNING id', [
            value,
            token,
            resource,
            token,
          ]),
          token,
        );
      },
    };
  }

  beforeAll(async () => {
    db = await open();
    guard = sqlGuard({ dialect: db.dialect });
    connection = guard.on(db.query);
    await run(guard.createTable.text, guard.createTable.values);
    await run('CREATE TABLE documents (id text PRIMARY KEY, body text NOT NULL)');
    await run('CREATE TABLE fenced (id text PRIMARY KEY, body text NOT NULL, fence bigint NOT NULL)');
  });
  afterAll(() => db.close());

  describe('the paused holder', () => {
    it('is refused by a guarded transaction', async () => {
      const { late, final } = await pausedHolderStory(transactionStore('paused'));
      expect(late).toBeInstanceOf(StaleTokenError);
      expect(late).toMatchObject({ resource: 'paused', token: 10, highest: 11 });
      expect(final).toBe('[11]');
    });

    it('is refused by a fence column', async () => {
      const { late, final } = await pausedHolderStory(await columnStore());
      expect(late).toMatchObject({ token: 10, highest: 11 });
      expect(final).toBe('[11]');
    });

    it('without a guard has its acknowledged write lost', async () => {
      const id = freshResource();
      const { late, final } = await pausedHolderStory({
        read: async () => textOf(await run('SELECT body FROM documents WHERE id = ?', [id])),
        write: async (_token, value) => {
          await run(
            'INSERT INTO documents (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body',
            [id, value],
          );
        },
      });
      expect(late).toBe('written');
      expect(final).not.toContain('[10]');
    });
  });

  describe('any interleaving of holders', () => {
    it('keeps every acknowledged write, by guarded transactions', async () => {
      await fc.assert(
        fc.asyncProperty(interleavings, (order) => playAgainstModel(transactionStore(), order)),
        { numRuns: 50 },
      );
    });

    it('keeps every acknowledged write, by a fence column', async () => {
      await fc.assert(
        fc.asyncProperty(interleavings, async (order) => playAgainstModel(await columnStore(), order)),
        { numRuns: 50 },
      );
    });
  });

  describe('register', () => {
    it('returns a row for a higher or the same token, and none for a lower one', async () => {
      const resource = freshResource();
      const rowsFor = async (token: number) => {
        const { text, values } = guard.register(resource, token);
        return (await db.query(text, values)).length;
      };
      expect(await rowsFor(10)).toBe(1);
      expect(await rowsFor(10)).toBe(1);
      expect(await rowsFor(11)).toBe(1);
      expect(await rowsFor(10)).toBe(0);
    });

    it('keeps every digit of the largest tokens', async () => {
      const resource = freshResource();
      await connection.register(resource, 2 ** 53 - 2);
      await connection.register(resource, 2 ** 53 - 1);
      await expect(connection.register(resource, 2 ** 53 - 2)).rejects.toMatchObject({
        highest: 2 ** 53 - 1,
      });
    });

    it('from many at a time lets each through exactly when it is not below one before it', async () => {
      const resource = freshResource();
      const tokens = [5, 3, 9, 9, 1, 12, 7, 12, 2, 20, 4];
      const outcomes = await Promise.all(
        tokens.map((token) =>
          connection.register(resource, token).then(
            () => true,
            (error) => {
              expect(error).toBeInstanceOf(StaleTokenError);
              return false;
            },
          ),
        ),
      );
      const expected = tokens.map((token, index) =>
        tokens.slice(0, index).every((earlier) => earlier <= token),
      );
      expect(outcomes).toEqual(expected);
    });

    it('inside a transaction of another library lets its error roll that back', async () => {
      const resource = freshResource();
      await connection.register(resource, 11);
      await db.query('BEGIN', []);
      await run('INSERT INTO documents (id, body) VALUES (?, ?)', [resource, 'early']);
      await expect(connection.register(resource, 10)).rejects.toThrow(StaleTokenError);
      await db.query('ROLLBACK', []);
      expect(await run('SELECT body FROM documents WHERE id = ?', [resource])).toEqual([]);
    });

    it.each(HOSTILE_NAMES)('takes the resource name %j as it is', async (name) => {
      await connection.register(name, 2);
      await expect(connection.register(name, 1)).rejects.toMatchObject({
        resource: name,
        token: 1,
        highest: 2,
      });
      const { text, values } = guard.highest(name);
      expect(await db.query(text, values)).toHaveLength(1);
    });

    it('tells names apart that differ in case, in an accent or in a space at the end', async () => {
      const names = ['résumé', 'RÉSUMÉ', 'resume', 're\u0301sume\u0301', 'resume '];
      for (const [index, name] of names.entries()) await connection.register(name, 100 - index);
    });
  });

  describe('transaction', () => {
    it('gives what work returned, and has committed it', async () => {
      const store = transactionStore();
      await store.write(1, 'kept');
      expect(await store.read(1)).toBe('kept');
    });

    it('rolls back what work wrote when it throws, the token included', async () => {
      const resource = freshResource();
      await connection.register(resource, 1);
      const failing = connection.transaction(resource, 2, async () => {
        await run('INSERT INTO documents (id, body) VALUES (?, ?)', [resource, 'half done']);
        throw new Error('out of paper');
      });
      await expect(failing).rejects.toThrow('out of paper');
      expect(await run('SELECT body FROM documents WHERE id = ?', [resource])).toEqual([]);
      await connection.register(resource, 1);
    });

    it('does not run the work of a stale token, and leaves the connection usable', async () => {
      const resource = freshResource();
      await connection.register(resource, 2);
      let ran = false;
      const stale = connection.transaction(resource, 1, () => {
        ran = true;
      });
      await expect(stale).rejects.toThrow(StaleTokenError);
      expect(ran).toBe(false);
      await expect(connection.transaction(resource, 2, () => 'fine')).resolves.toBe('fine');
    });

    it('refuses a second one on the same connection, and leaves the first alone', async () => {
      const resource = freshResource();
      const first = connection.transaction(resource, 1, async () => {
        await expect(connection.transaction(freshResource(), 1, () => 'second')).rejects.toThrow(
          'already runs a guarded transaction',
        );
        await run('INSERT INTO documents (id, body) VALUES (?, ?)', [resource, 'first']);
      });
      await first;
      expect(await run('SELECT body FROM documents WHERE id = ?', [resource])).toHaveLength(1);
    });

    it('does not report success when work ended the transaction itself', async () => {
      const ended = connection.transaction(freshResource(), 1, () => db.query('ROLLBACK', []));
      await expect(ended).rejects.toThrow();
    });

    it('reports success exactly when it kept what work wrote, although work swallowed an error', async () => {
      const resource = freshResource();
      const insert = () => run('INSERT INTO documents (id, body) VALUES (?, ?)', [resource, 'written']);
      const succeeded = await connection
        .transaction(resource, 1, async () => {
          await insert();
          await insert().catch(() => {});
        })
        .then(
          () => true,
          () => false,
        );
      const rows = await run('SELECT body FROM documents WHERE id = ?', [resource]);
      expect(succeeded).toBe(rows.length === 1);
      // PostgreSQL dooms the whole transaction, and would answer COMMIT as if nothing were wrong.
      expect(succeeded).toBe(db.dialect === 'sqlite');
    });

    it.each(BAD_TOKENS)('refuses %o as a token', async (token, kind) => {
      expect(() => guard.register('a', token as number)).toThrow(kind);
      await expect(connection.transaction('a', token as number, () => 'ran')).rejects.toThrow(kind);
    });

    it.each(['', '\ud800', 'a\0b', undefined, 7])('refuses %o as a resource', async (resource) => {
      expect(() => guard.register(resource as string, 1)).toThrow(/^resource must/);
      expect(() => guard.highest(resource as string)).toThrow(/^resource must/);
      await expect(connection.transaction(resource as string, 1, () => 'ran')).rejects.toThrow(
        /^resource must/,
      );
    });
  });

  it('keeps its tokens in a table of any valid name', async () => {
    for (const table of ['order', 'Fence_2', '_f', db.dialect === 'sqlite' ? 'main.other' : 'public.other']) {
      const named = sqlGuard({ dialect: db.dialect, table });
      await db.query(named.createTable.text, named.createTable.values);
      await db.query(named.createTable.text, named.createTable.values);
      await named.on(db.query).register('a', 2);
      await expect(named.on(db.query).register('a', 1)).rejects.toThrow(StaleTokenError);
    }
  });

  it.each([
    'fence; DROP TABLE documents',
    'fence" (x) --',
    'a.b.c',
    '.fence',
    'fence.',
    '1fence',
    'fence-1',
    'fénce',
    'fence\n',
    '',
    'x'.repeat(64),
    7,
  ])('refuses the table name %j', (table) => {
    expect(() => sqlGuard({ dialect: db.dialect, table: table as string })).toThrow(
      /^table must be an identifier/,
    );
  });
});

describe('sqlGuard over several connections (SQLite)', () => {
  let db: Database;
  const guard = sqlGuard({ dialect: 'sqlite' });

  beforeAll(async () => {
    db = await openSqlite();
    await db.query(guard.createTable.text, []);
    await db.query('CREATE TABLE log (token integer NOT NULL)', []);
  });
  afterAll(() => db.close());

  it('lets many holders write at a time, each in full, and in the order of their tokens', async () => {
    const connect = db.connect ?? (() => db.query);
    let refused = 0;
    const holders = [4, 1, 3, 2, 5].map(async (token) => {
      const query = connect();
      for (let round = 0; round < 4; round += 1) {
        try {
          await unlessBusy(() =>
            guard.on(query).transaction('log', token, async () => {
              await query('INSERT INTO log VALUES (?)', [token]);
              await nextTick();
              await query('INSERT INTO log VALUES (?)', [token]);
            }),
          );
        } catch (error) {
          if (!(error instanceof StaleTokenError)) throw error;
          refused += 1;
        }
        for (let wait = 0; wait < token; wait += 1) await nextTick();
      }
    });
    await Promise.all(holders);
    const rows = await db.query('SELECT token FROM log ORDER BY rowid', []);
    const tokens = rows.map((row) => ('token' in row ? Number(row.token) : Number.NaN));
    expect(tokens).toEqual(tokens.toSorted((a, b) => a - b));
    expect(tokens.length + 2 * refused).toBe(2 * 5 * 4);
    expect(tokens.filter((token) => token === 5)).toHaveLength(8);
    expect(refused).toBeGreaterThan(0);
  });

  it('does not report success when its statements were spread over connections, as by a pool', async () => {
    const other = db.connect?.() ?? db.query;
    const pooled: SqlQuery = (text, values) => (text.startsWith('RELEASE') ? other : db.query)(text, values);
    const spread = guard.on(pooled).transaction('pooled', 1, () => 'ran');
    await expect(spread).rejects.toThrow('no such savepoint');
    expect(await db.query(guard.highest('pooled').text, guard.highest('pooled').values)).toEqual([]);
  });

  it('passes on that the database is busy, before any statement that would have to be undone', async () => {
    const other = db.connect?.() ?? db.query;
    const asked: string[] = [];
    const logged: SqlQuery = (text, values) => {
      asked.push(text);
      return other(text, values);
    };
    await guard.on(db.query).transaction('busy', 1, async () => {
      const busy = guard.on(logged).transaction('busy', 2, () => 'ran');
      await expect(busy).rejects.toThrow('database is locked');
    });
    expect(asked).toEqual(['BEGIN IMMEDIATE']);
    await guard.on(other).register('busy', 2);
  });
});

describe('sqlGuard over any driver', () => {
  const answering = (rows: unknown): SqlQuery => {
    return async (text) => (text.startsWith('INSERT') ? [] : (rows as object[]));
  };

  it.each([
    ['a string, as node-postgres gives a bigint', [{ token: '9007199254740991' }], 9007199254740991],
    ['a bigint', [{ token: 12n }], 12],
    ['a number', [{ token: 12 }], 12],
    ['no row, deleted in between', [], undefined],
    ['a row of another shape', [{ TOKEN: 12 }], undefined],
    ['no number', [{ token: 'many' }], undefined],
  ])('reads the highest token from %s', async (_case, rows, highest) => {
    const stale = sqlGuard({ dialect: 'postgres' }).on(answering(rows)).register('a', 1);
    await expect(stale).rejects.toBeInstanceOf(StaleTokenError);
    await expect(stale).rejects.toMatchObject({ token: 1, highest });
  });

  it('says so when query gives the whole result instead of its rows', async () => {
    const wrong = sqlGuard({ dialect: 'postgres' }).on((async () => ({ rows: [{}] })) as unknown as SqlQuery);
    await expect(wrong.register('a', 1)).rejects.toThrow(
      'query must give the rows as an array, but gave an object',
    );
  });

  it('throws the error that led to a rollback, not that of the rollback', async () => {
    const broken: SqlQuery = async (text) => {
      if (text === 'ROLLBACK') throw new Error('not connected');
      return [{}];
    };
    const failing = sqlGuard({ dialect: 'sqlite' })
      .on(broken)
      .transaction('a', 1, () => Promise.reject(new Error('the cause')));
    await expect(failing).rejects.toThrow('the cause');
  });

  it.each(['mysql', undefined, 'toString'])('refuses %o as a dialect', (dialect) => {
    expect(() => sqlGuard({ dialect: dialect as 'sqlite' })).toThrow(
      /^dialect must be 'postgres' or 'sqlite'/,
    );
  });
});

/** Tries again while another connection has the write lock. */
async function unlessBusy(attempt: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes('database is locked')) throw error;
      await nextTick();
    }
  }
}
