import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fleet } from '../../scripts/fleet/fleet.ts';
import { Redlock } from '../../src/index.ts';
import { PATIENT, startDeployment } from '../support/deployment.ts';
import { expectNoKeys } from '../support/lock-keys.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startDeployment(3);
});
afterAll(() => fleet.stop());

/**
 * A name with commands in it, so long that they would be commands if a server took its length in bytes for one in
 * characters.
 */
function smuggling(command: string): string {
  const tail = `\r\n${'$0\r\n\r\n'.repeat(14)}*1\r\n$${command.length}\r\n${command}\r\n`;
  let name = tail;
  // As many characters of three bytes as there are bytes between the two places at which the name is written.
  for (let count = 1, between = 0; count !== between; count = between) {
    name = '€'.repeat(count) + tail;
    const fence = `quorlock:fence:whole:{lock:${name}}`;
    between = `\r\n$${Buffer.byteLength(fence)}\r\nquorlock:fence:whole:{lock:`.length;
    if (between === count) break;
  }
  return name;
}

describe('a resource may have any name', () => {
  it.each([
    ['letters of other alphabets', 'schlüssel'],
    ['others than Latin ones', 'заказ:42'],
    ['more than two bytes', '鍵 🔒'],
    ['line ends', 'a\r\nb'],
    ['a zero', 'a\0b'],
    ['a command that it would smuggle in', smuggling('FLUSHALL')],
  ])('%s', async (_, name) => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await using other = new Redlock(fleet.urls, PATIENT);
    for (const node of fleet.nodes) await node.command('SET', 'precious', 'still there');
    const lock = await redlock.acquire([name, 'another']);
    expect(await other.tryAcquire(name)).toBeNull();
    expect(await other.inspect(name)).toMatchObject({ state: 'held', value: lock.value });
    const next = other.acquire(name, { waitTime: 10_000 });
    await lock.extend();
    expect(await lock.release()).toMatchObject({ freed: true });
    expect((await next).token).toBeGreaterThan(lock.token);
    await (await next).release();
    for (const node of fleet.nodes) {
      expect(await node.command('GET', 'precious')).toBe('still there');
      await node.command('DEL', 'precious');
    }
    await expectNoKeys(fleet);
  });
});
