import type { Redlock } from 'quorlock';
import { type SqlQuery, sqlGuard } from 'quorlock/fencing';

export interface Migration {
  readonly name: string;
  /** One statement. */
  readonly sql: string;
}

const guard = sqlGuard({ dialect: 'postgres' });

/**
 * To be called by every instance as it starts, before it serves. One of them migrates, the others wait for it. Resolves
 * with the names of what this one did.
 *
 * @param query one connection to the database, never a pool's own query
 */
export function migrate(
  redlock: Redlock,
  query: SqlQuery,
  migrations: readonly Migration[],
): Promise<string[]> {
  return redlock.using('migrations', { waitTime: Infinity }, async ({ token, signal }) => {
    await query(guard.createTable.text, []);
    await query('CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)', []);
    const done: string[] = [];
    for (const { name, sql } of migrations) {
      signal.throwIfAborted();
      // The migration, the note of it and the check of the token happen together or not at all.
      await guard.on(query).transaction('migrations', token, async () => {
        const noted = await query(
          'INSERT INTO migrations VALUES ($1) ON CONFLICT DO NOTHING RETURNING name',
          [name],
        );
        if (noted.length === 0) return;
        await query(sql, []);
        done.push(name);
      });
    }
    return done;
  });
}
