import { sqlGuard } from '../../../../src/fencing/index.ts';

/** What it takes of a SQLite driver: runs a statement and gives its rows. */
type All = (text: string, values: (string | number)[]) => object[];

export async function rename(all: All, lock: { token: number }, title: string): Promise<void> {
  const guard = sqlGuard({ dialect: 'sqlite' });
  all(guard.createTable.text, guard.createTable.values);
  await guard.on(all).transaction('document:7', lock.token, () => {
    all('UPDATE documents SET title = ? WHERE id = ?', [title, 7]);
  });
}
