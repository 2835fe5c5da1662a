import type * as Os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Fleet } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { Redlock, type RedlockWarning } from '../../src/index.ts';
import { PATIENT } from '../support/deployment.ts';

const HOUR_S = 3_600;

/** What the host says of its uptime. */
const host = vi.hoisted((): { uptime: (seconds: number) => number } => ({ uptime: (seconds) => seconds }));

vi.mock('node:os', async (importOriginal) => {
  const os = await importOriginal<typeof Os>();
  return { ...os, uptime: () => host.uptime(os.uptime()) };
});

const refuse = (): number => {
  throw new Error('uv_uptime returned EPERM');
};

/** Longer than the uptime of the host goes unread. */
const UNTIL_READ_ANEW_MS = 1_100;

afterEach(() => {
  host.uptime = (seconds) => seconds;
});

async function open(fleet: Fleet) {
  const warnings: RedlockWarning[] = [];
  const redlock = new Redlock(fleet.urls, { ...PATIENT, onWarning: (warning) => warnings.push(warning) });
  await (await redlock.acquire('first')).release();
  return { redlock, warnings };
}

describe('the host', () => {
  it.each([
    ['throws', refuse],
    ['is NaN', () => Number.NaN],
    ['jumps by an hour', (seconds: number) => seconds + HOUR_S],
  ])('an uptime that %s is told of once, and locks are granted', async (how, uptime) => {
    await using fleet = await Fleet.start(3);
    const { redlock, warnings } = await open(fleet);
    await using _open = redlock;
    await using lock = await redlock.acquire('orders', { ttl: 30_000 });
    host.uptime = uptime;
    await sleep(UNTIL_READ_ANEW_MS);
    await eventually('the uptime was read anew', async () => {
      await using next = await redlock.acquire('another', { waitTime: 0 });
      next.assertHeld();
      return warnings.length > 0;
    });
    for (const name of ['a', 'b', 'c']) await (await redlock.acquire(name, { waitTime: 0 })).release();
    expect(warnings.map(({ code }) => code)).toEqual(['QUORLOCK_OWN_CLOCK']);
    expect(warnings[0]?.message).toContain('the uptime of');
    expect(warnings[0]?.message).toContain('No node is to blame');
    expect(lock.remainingValidity() === 0).toBe(how === 'jumps by an hour');
  });

  it.each([
    ['throws', refuse],
    ['is NaN', () => Number.NaN],
  ])('an uptime that %s from the beginning keeps no caller from locks', async (_, uptime) => {
    host.uptime = uptime;
    await using fleet = await Fleet.start(1);
    const { redlock, warnings } = await open(fleet);
    await using _open = redlock;
    await using lock = await redlock.acquire('orders', { ttl: 30_000 });
    expect(lock.remainingValidity()).toBeGreaterThan(20_000);
    expect(warnings.map(({ code }) => code)).toEqual(['QUORLOCK_OWN_CLOCK']);
    host.uptime = (seconds) => seconds;
    await sleep(UNTIL_READ_ANEW_MS);
    await (await redlock.acquire('another')).release();
    expect(lock.remainingValidity()).toBeGreaterThan(20_000);
  });
});
