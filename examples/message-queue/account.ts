import type { Redis } from 'ioredis';
import type { Redlock } from 'quorlock';
import { redisGuard } from 'quorlock/fencing';

export interface Order {
  readonly id: number;
  readonly amount: number;
}

/** What is charged to the customer, and for which orders. */
export interface Account {
  readonly balance: number;
  readonly orders: readonly number[];
}

export const ACCOUNT = 'account:7';

export type Charge = (order: Order) => Promise<void>;

/** Called in the middle of a charge: before the account is written, and when it was. */
export type Interruption = (moment: 'before' | 'after') => Promise<void>;

/** What is written for every message that is delivered. A queue delivers at least once: an order may be charged twice. */
export function chargePlainly(store: Redis, interrupt: Interruption): Charge {
  return async ({ id, amount }) => {
    await interrupt('before');
    await store.eval(APPEND, 1, ACCOUNT, id, amount);
    await interrupt('after');
  };
}

/** Atomic, and of no help: what is done twice atomically is done twice. */
const APPEND = `
  local account = cjson.decode(redis.call('GET', KEYS[1]) or '{"balance":0,"orders":[]}')
  account.balance = account.balance + tonumber(ARGV[2])
  table.insert(account.orders, tonumber(ARGV[1]))
  redis.call('SET', KEYS[1], cjson.encode(account))
`;

/**
 * Exactly one effect for every order, however often it is delivered. The effect and the record of it are one write, so
 * a delivery that comes later sees either both or none; and the token lets no delivery write over a newer one's.
 */
export function chargeOnce(redlock: Redlock, store: Redis, interrupt: Interruption): Charge {
  const guard = redisGuard(store);
  return ({ id, amount }) =>
    redlock.using(ACCOUNT, {}, async ({ token }) => {
      const { balance, orders } = accountIn(await guard.read(ACCOUNT, token));
      if (orders.includes(id)) return;
      await interrupt('before');
      const charged: Account = { balance: balance + amount, orders: [...orders, id] };
      await guard.write(ACCOUNT, token, JSON.stringify(charged));
      await interrupt('after');
    });
}

export function accountIn(json: string | null): Account {
  return json === null ? { balance: 0, orders: [] } : JSON.parse(json);
}
