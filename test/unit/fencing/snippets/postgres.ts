import { sqlGuard } from '../../../../src/fencing/index.ts';

/** One connection of node-postgres: `await pool.connect()`, never the pool itself. */
interface Connection {
  query(text: string, values?: unknown[]): Promise<{ rows: object[] }>;
}

const guard = sqlGuard({ dialect: 'postgres' });

export async function migrate(client: Connection): Promise<void> {
  await client.query(guard.createTable.text);
}

export async function withdraw(client: Connection, lock: { token: number }, amount: number): Promise<void> {
  const query = async (text: string, values: unknown[]) => (await client.query(text, values)).rows;
  await guard.on(query).transaction('account:7', lock.token, async () => {
    const rows = await query('UPDATE accounts SET balance = balance - $1 WHERE id = $2 RETURNING id', [
      amount,
      7,
    ]);
    if (rows.length === 0) throw new Error('no such account'); // rolls back
  });
}
