import { assertFencingToken, StaleTokenError } from '../../../../src/fencing/index.ts';

type Query = (text: string, values: (string | number)[]) => Promise<object[]>;

/** Registers and reads in one statement. */
export async function readTitle(query: Query, lock: { token: number }): Promise<object> {
  assertFencingToken(lock.token);
  const [row] = await query('UPDATE documents SET fence = $1 WHERE id = $2 AND fence <= $1 RETURNING title', [
    lock.token,
    7,
  ]);
  if (row === undefined) throw new StaleTokenError('document:7', lock.token);
  return row;
}

export async function writeTitle(query: Query, lock: { token: number }, title: string): Promise<void> {
  assertFencingToken(lock.token);
  const rows = await query(
    'UPDATE documents SET title = $1, fence = $2 WHERE id = $3 AND fence <= $2 RETURNING id',
    [title, lock.token, 7],
  );
  if (rows.length === 0) throw new StaleTokenError('document:7', lock.token);
}
