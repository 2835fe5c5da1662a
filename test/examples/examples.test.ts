import { describe, expect, it } from 'vitest';
import { eventually } from '../../scripts/fleet/processes.ts';
import { type Row, rowsOf, start, tablesIn } from './example.ts';

describe('npm run example', () => {
  it('distributed-lock: sells what there is, and lives through what the naive lock does not', async () => {
    const row = await rowsOf('distributed-lock');

    expect(row('none')).toMatchObject({
      'in stock': '30',
      sold: '40',
      'sold and left': expect.stringMatching(/^\d+: wrong$/),
    });
    expect(row('quorlock')).toMatchObject({ sold: '30', left: '0', 'sold and left': 'right' });

    expect(row('it dies as soon as it has the lock')).toMatchObject({
      'naive lock': 'locked for ever: the key has no expiry',
      quorlock: 'the next one had it after its ttl',
    });
    expect(row('it is done, and releases')).toMatchObject({
      'naive lock': 'still locked: bytes never equal a text',
      quorlock: 'released',
    });
    expect(row('it is stopped before it writes')).toMatchObject({
      'naive lock': '2 sold, stock less by 1: wrong',
      quorlock: '1 sold, stock less by 1: right, its write refused by its token',
    });
    expect(row('it is stopped before it releases')).toMatchObject({
      'naive lock': "frees the next one's lock: two holders",
      quorlock: 'its release frees nothing',
    });
  });

  it('read-write-splitting: no reader gets what is older than what it was told of', async () => {
    const row = await rowsOf('read-write-splitting');
    const [primary, copy, byToken] = ['primary', 'copy', 'copy, by token'].map(row);
    const stale = 'older than what the reader was told of';

    expect(primary).toMatchObject({ reads: '1600', 'by the primary': '1600', [stale]: '0' });
    expect(copy).toMatchObject({ reads: '1600', 'by the primary': '0' });
    expect(Number(copy?.[stale])).toBeGreaterThan(0);
    expect(byToken).toMatchObject({ reads: '1600', [stale]: '0' });
    expect(Number(byToken?.['by the copy'])).toBeGreaterThan(0);
  });

  it('message-queue: every order takes effect once, though some are delivered twice', async () => {
    const row = await rowsOf('message-queue');

    expect(row('plainly')).toMatchObject({ orders: '40', 'charged twice': '2', balance: '420' });
    expect(row('once, by token')).toMatchObject({
      orders: '40',
      charges: '40',
      'charged twice': '0',
      'late writes refused': '1',
      balance: '400',
    });
    const { deliveries } = row('once, by token');
    expect(Number(deliveries)).toBeGreaterThan(40);
  });

  it('request-merging: a thousand callers, and one query', async () => {
    const row = await rowsOf('request-merging');

    for (const way of ['cache', 'merged', 'locked', 'merged and locked'])
      expect(row(way)).toMatchObject({ callers: '1000', 'different answers': '1' });
    const [{ queries: plain }, { queries: merged }] = [row('cache'), row('merged')];
    expect(Number(plain)).toBeGreaterThan(4);
    expect(Number(merged)).toBeLessThanOrEqual(4);
    expect(row('locked')).toMatchObject({ queries: '1' });
    expect(row('merged and locked')).toMatchObject({ queries: '1' });
  });

  it('optimistic-locking: loses no change, and a lock spares what is begun again', async () => {
    const { output, ended } = start('optimistic-locking');
    expect(await ended, output()).toBe(0);
    const [rows = []] = tablesIn(output());
    const begunAgain = (products: number, way: string) => {
      const row = rows.find((row) => isOf(row, products, way));
      return Number(row?.['begun again']?.replace(/█+ /, ''));
    };

    expect(rows.map(({ lost }) => lost)).toEqual(Array(9).fill('0'));
    expect(begunAgain(1, 'version')).toBeGreaterThan(begunAgain(1_000, 'version'));
    for (const way of ['lock', 'both']) expect(begunAgain(1, way)).toBe(0);
  });

  it.runIf(process.platform === 'linux')(
    'leaves nothing behind when it is killed while one of its processes is stopped',
    async () => {
      const { child, states, ended } = start('distributed-lock');
      await eventually('one is stopped', () => states().includes('T'));
      child.kill('SIGKILL');
      await ended;
    },
  );

  it('without a name says which there are', async () => {
    const { output, ended } = start('');
    expect(await ended).toBe(2);
    for (const name of ['distributed-lock', 'message-queue', 'optimistic-locking'])
      expect(output()).toContain(`  ${name}\n`);
  });
});

function isOf({ products, way }: Row, wantedProducts: number, wantedWay: string): boolean {
  return products === String(wantedProducts) && way === wantedWay;
}
