import type { Redlock } from 'quorlock';

export function prices(redlock: Redlock, table: Map<string, number>) {
  const lock = redlock.readWrite('prices');
  return {
    read: (item: string) => lock.usingRead({ ttl: 5_000 }, () => table.get(item)),
    write: (item: string, price: number) => lock.usingWrite({ ttl: 5_000 }, () => table.set(item, price)),
    /** Changes one price and reads them all, as they are with it: no other writer comes in between. */
    async writeAndReport(item: string, price: number): Promise<string> {
      const write = await lock.acquireWrite({ ttl: 5_000 });
      table.set(item, price);
      await using read = await lock.downgrade(write);
      const lines = [...table].map(([name, amount]) => `${name} ${amount}`);
      read.assertHeld();
      return lines.join(', ');
    },
  };
}
