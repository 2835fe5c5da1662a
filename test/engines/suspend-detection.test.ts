import type * as Os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { SystemClock } from '../../src/base/clock.ts';
import { stallProcess } from '../support/clocks.ts';

const STALL_MS = 200;

/** What the process goes through around the next reading of the host's uptime. */
const stall = vi.hoisted((): { at: 'never' | 'before' | 'after' } => ({ at: 'never' }));

vi.mock('node:os', async (importOriginal) => {
  const os = await importOriginal<typeof Os>();
  const uptime = () => {
    const { at } = stall;
    stall.at = 'never';
    if (at === 'before') stallProcess(STALL_MS);
    const seconds = os.uptime();
    if (at === 'after') stallProcess(STALL_MS);
    return seconds;
  };
  return { ...os, uptime };
});

/** Longer than the uptime of the host goes unread. */
const UNTIL_READ_ANEW_MS = 1_100;

afterEach(() => {
  stall.at = 'never';
});

// A quarantine is waited for on this clock: one that ran ahead would end it too early.
test.each(['before', 'after'] as const)(
  'a process that was stopped just %s it read the uptime does not take that for a suspend of the host',
  async (at) => {
    const clock = new SystemClock();
    const startedAt = { uptime: clock.uptime(), monotonic: clock.monotonic() };
    await sleep(UNTIL_READ_ANEW_MS);
    stall.at = at;
    clock.uptime();
    expect(stall.at).toBe('never');
    await sleep(UNTIL_READ_ANEW_MS);
    const elapsed = clock.uptime() - startedAt.uptime;
    expect(elapsed - (clock.monotonic() - startedAt.monotonic)).toBeLessThan(STALL_MS / 2);
  },
);

test.each(['before', 'after'] as const)(
  'nor does one that was stopped just %s it read it for the first time',
  async (at) => {
    stall.at = at;
    const clock = new SystemClock();
    const startedAt = { uptime: clock.uptime(), monotonic: clock.monotonic() };
    expect(stall.at).toBe('never');
    await sleep(UNTIL_READ_ANEW_MS);
    const elapsed = clock.uptime() - startedAt.uptime;
    expect(elapsed - (clock.monotonic() - startedAt.monotonic)).toBeLessThan(STALL_MS / 2);
  },
);
