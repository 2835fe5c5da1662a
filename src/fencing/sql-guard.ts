import { read } from '../base/describe.ts';
import { assertResource, describe } from './arguments.ts';
import { assertFencingToken, StaleTokenError } from './token.ts';
import type { TokenRegister } from './token-register.ts';

/** What differs between the databases: types, placeholders, and how a transaction takes its write lock. */
const DIALECTS = {
  postgres: {
    column: { resource: 'text COLLATE "C"', token: 'bigint' },
    placeholders: ['$1', '$2::bigint'],
    begin: 'BEGIN',
  },
  sqlite: {
    column: { resource: 'TEXT COLLATE BINARY', token: 'INTEGER' },
    placeholders: ['?', '?'],
    // Waits for the write lock here, as long as the busy timeout says, and not halfway through.
    begin: 'BEGIN IMMEDIATE',
  },
} as const;

/** A schema and a table, or a table: words that need no escaping, each within PostgreSQL's 63 bytes. */
const TABLE_NAME = /^(?:[A-Za-z_][A-Za-z0-9_]{0,62}\.)?[A-Za-z_][A-Za-z0-9_]{0,62}$/;

export interface SqlGuardOptions {
  /** PostgreSQL 9.5 or later, or SQLite 3.35 or later. */
  readonly dialect: 'postgres' | 'sqlite';
  /**
   * The table that keeps the tokens, as `table` or `schema.table`: letters, digits and underscores,
   * at most 63 each; upper and lower case differ in PostgreSQL. Default `quorlock_fence`.
   */
  readonly table?: string;
}

/** A statement for any driver: the text, and the values of its placeholders in their order. */
export interface SqlStatement {
  readonly text: string;
  readonly values: (string | number)[];
}

/**
 * Runs one statement on *one and the same connection* and gives the rows it returned, as objects.
 * Never a pool's own `query`, which may send each statement to another connection.
 */
export type SqlQuery = (text: string, values: (string | number)[]) => SqlRows | PromiseLike<SqlRows>;

/** The rows that a statement returned; empty for one that returns none. */
export type SqlRows = readonly object[];

/** The statements by which a database refuses stale tokens. */
export interface SqlGuard {
  /** Creates the table unless it exists. Run it once, with the other migrations. */
  readonly createTable: SqlStatement;
  /**
   * Registers a token. It returns one row when that was done, and *none when the token is stale*.
   *
   * As the first statement of a transaction it guards all of it: the row stays locked to the end.
   * After "no row", roll back.
   *
   * @throws TypeError or RangeError for a bad resource or token.
   */
  register(resource: string, token: number): SqlStatement;
  /** Reads the highest token of a resource: one row with the column `token`, or none. Registers and locks nothing. */
  highest(resource: string): SqlStatement;
  /** The same over a connection, so that no row needs to be counted by hand. */
  on(query: SqlQuery): SqlConnectionGuard;
}

/** A guard over one connection. */
export interface SqlConnectionGuard extends TokenRegister {
  /**
   * Registers the token in whatever transaction the connection is in: call it first in one of your
   * own, and let its error roll that back. Outside a transaction it registers and guards nothing more.
   *
   * @throws StaleTokenError when a higher token was registered; whatever `query` throws.
   */
  register(resource: string, token: number): Promise<void>;
  /**
   * Runs `work` in a transaction that registered the token first: commits when `work` returns, rolls
   * back when it throws. What `work` does through the same connection is seen by a newer holder or
   * refused, and never anything in between.
   *
   * Until it settles the connection must serve nothing else; a second call meanwhile is an error.
   *
   * @returns what `work` returned, once that is committed.
   * @throws StaleTokenError without running `work`, when a higher token was registered. Whatever
   * `work` or `query` throws: if the commit itself failed by a lost connection, it may have happened.
   */
  transaction<T>(resource: string, token: number, work: () => T | PromiseLike<T>): Promise<T>;
}

/**
 * A guard for data in PostgreSQL or SQLite: one row per resource with the highest token registered.
 * It brings statements and no driver. Rows are never removed: delete one only with its resource.
 *
 * @throws TypeError for an unknown dialect or a table name that is not a plain identifier.
 */
export function sqlGuard(options: SqlGuardOptions): SqlGuard {
  const { dialect, table = 'quorlock_fence' } = read('options', () => ({
    dialect: options.dialect,
    table: options.table,
  }));
  if (typeof dialect !== 'string' || !Object.hasOwn(DIALECTS, dialect)) {
    throw new TypeError(`dialect must be 'postgres' or 'sqlite', but is ${describe(dialect)}`);
  }
  if (typeof table !== 'string' || !TABLE_NAME.test(table)) {
    throw new TypeError(
      `table must be an identifier or schema.identifier of letters, digits and underscores, at most 63 each, but is ${describe(table)}`,
    );
  }
  const { column, placeholders, begin } = DIALECTS[dialect];
  const [first, second] = placeholders;
  const name = table
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');

  const guard: SqlGuard = {
    createTable: {
      text:
        `CREATE TABLE IF NOT EXISTS ${name} (` +
        `resource ${column.resource} NOT NULL PRIMARY KEY, token ${column.token} NOT NULL)`,
      values: [],
    },
    register(resource, token) {
      assertSqlResource(resource);
      assertFencingToken(token);
      return {
        text:
          `INSERT INTO ${name} AS fence (resource, token) VALUES (${first}, ${second}) ` +
          'ON CONFLICT (resource) DO UPDATE SET token = excluded.token ' +
          'WHERE fence.token <= excluded.token RETURNING token',
        values: [resource, token],
      };
    },
    highest(resource) {
      assertSqlResource(resource);
      return { text: `SELECT token FROM ${name} WHERE resource = ${first}`, values: [resource] };
    },
    on: (query) => connectionGuard(guard, begin, query),
  };
  return guard;
}

function connectionGuard(guard: SqlGuard, begin: string, query: SqlQuery): SqlConnectionGuard {
  let inTransaction = false;

  async function rowsOf(statement: SqlStatement): Promise<SqlRows> {
    const rows = await query(statement.text, statement.values);
    // A driver's whole result would have no length, and pass for "no row".
    if (!Array.isArray(rows)) {
      throw new TypeError(
        `query must give the rows as an array, but gave ${describe(rows)}: return result.rows`,
      );
    }
    return rows;
  }

  async function register(resource: string, token: number): Promise<void> {
    const rows = await rowsOf(guard.register(resource, token));
    if (rows.length > 0) return;
    // Only for the message: the refusal stands, whatever this finds.
    const [row] = await rowsOf(guard.highest(resource));
    throw new StaleTokenError(resource, token, tokenOf(row));
  }

  async function transaction<T>(resource: string, token: number, work: () => T | PromiseLike<T>): Promise<T> {
    if (inTransaction) {
      throw new Error(
        'this connection already runs a guarded transaction: give each transaction at one time a connection of its own',
      );
    }
    inTransaction = true;
    try {
      await query(begin, []);
      try {
        // A savepoint exists in one transaction only. To release it proves that the whole of this ran in one, on one
        // connection. It also proves that no failed statement has doomed it: PostgreSQL would answer COMMIT without
        // an error, and commit nothing.
        await query('SAVEPOINT quorlock_fence', []);
        await register(resource, token);
        const result = await work();
        await query('RELEASE SAVEPOINT quorlock_fence', []);
        await query('COMMIT', []);
        return result;
      } catch (error) {
        await rollBack();
        throw error;
      }
    } finally {
      inTransaction = false;
    }
  }

  async function rollBack(): Promise<void> {
    try {
      await query('ROLLBACK', []);
    } catch {
      // The error that led here says more. A connection that cannot roll back is gone, and its
      // transaction with it, or the database has rolled it back already.
    }
  }

  return { register, transaction };
}

function assertSqlResource(resource: string): void {
  assertResource(resource);
  // PostgreSQL's text holds every character but this one.
  if (resource.includes('\0')) throw new RangeError('resource must not contain a NUL character');
}

/** The token of a row: drivers give a bigint column as a string, a bigint or a number. */
function tokenOf(row: object | undefined): number | undefined {
  if (row === undefined || !('token' in row)) return undefined;
  const token = Number(row.token);
  return Number.isSafeInteger(token) ? token : undefined;
}
