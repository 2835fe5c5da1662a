import { setTimeout as sleep } from 'node:timers/promises';
import type { Redlock } from 'quorlock';
import { StaleTokenError } from 'quorlock/fencing';
import type { Query } from '../support/postgres.ts';

/** Raises the price of a product by one. Resolves with how often it had to begin again. */
export type Raise = (product: number) => Promise<number>;

export const SCHEMA = `
  CREATE TABLE products (
    id int PRIMARY KEY, price int NOT NULL DEFAULT 0, version int NOT NULL DEFAULT 0, fence bigint NOT NULL DEFAULT 0
  );
`;

/** How long it takes to work out a new price. */
const THINKING_MS = 4;

interface Row {
  readonly price: number;
  readonly version: number;
}

/** Optimistic: works as if it were alone, and begins again if the row has changed meanwhile. */
export function byVersion(query: Query): Raise {
  return async (product) => {
    for (let retries = 0; ; retries++) {
      const { price, version } = await read(query, product);
      const next = await think(price);
      const written = await query(
        'UPDATE products SET price = $1, version = version + 1 WHERE id = $2 AND version = $3 RETURNING id',
        [next, product, version],
      );
      if (written.length > 0) return retries;
    }
  };
}

/** Pessimistic: waits until it is alone. The token, in a column of its own, refuses a holder who comes too late. */
export function byLock(redlock: Redlock, query: Query): Raise {
  return (product) =>
    redlock.using(`product:${product}`, {}, async ({ token }) => {
      const [row] = await query<Row>(
        'UPDATE products SET fence = $1 WHERE id = $2 AND fence <= $1 RETURNING price',
        [token, product],
      );
      if (row === undefined) throw new StaleTokenError(`product:${product}`, token);
      const next = await think(row.price);
      const written = await query(
        'UPDATE products SET price = $1 WHERE id = $2 AND fence = $3 RETURNING id',
        [next, product, token],
      );
      if (written.length === 0) throw new StaleTokenError(`product:${product}`, token);
      return 0;
    });
}

/** Both: the lock keeps them from each other's way, the version sees who goes around the lock or comes too late. */
export function byBoth(redlock: Redlock, query: Query): Raise {
  const raise = byVersion(query);
  return (product) => redlock.using(`product:${product}`, {}, () => raise(product));
}

async function read(query: Query, product: number): Promise<Row> {
  const [row] = await query<Row>('SELECT price, version FROM products WHERE id = $1', [product]);
  if (row === undefined) throw new Error(`there is no product ${product}`);
  return row;
}

async function think(price: number): Promise<number> {
  await sleep(THINKING_MS);
  return price + 1;
}
