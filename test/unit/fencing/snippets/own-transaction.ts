import { sqlGuard } from '../../../../src/fencing/index.ts';

interface Transaction {
  query(text: string, values?: unknown[]): Promise<{ rows: object[] }>;
}
interface Database {
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
}

export async function close(database: Database, lock: { token: number }): Promise<void> {
  const guard = sqlGuard({ dialect: 'postgres' });
  await database.transaction(async (tx) => {
    const query = async (text: string, values: unknown[]) => (await tx.query(text, values)).rows;
    await guard.on(query).register('account:7', lock.token); // first, and let its error through
    await query('UPDATE accounts SET closed = true WHERE id = $1', [7]);
  });
}
