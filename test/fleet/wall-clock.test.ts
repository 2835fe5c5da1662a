import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Fleet, type FleetNode } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { WallClock } from '../../scripts/fleet/wall-clock.ts';

const HOUR_MS = 3_600_000;
/** What may pass between reading one clock and the other; the steps below are far larger. */
const SLACK_MS = 60_000;

const onLinux = describe.skipIf(process.platform !== 'linux');

onLinux('a server on a wall clock of its own', () => {
  let fleet: Fleet;
  let node: FleetNode;

  beforeEach(async () => {
    fleet = await Fleet.start(2, { wallClock: true });
    const [first] = fleet.nodes;
    if (first === undefined) throw new Error('the fleet has no node');
    node = first;
  });

  afterEach(() => fleet.stop());

  test('starts on the true time', async () => {
    expect(await minutesOff(node)).toBe(0);
  });

  test('jumps forward and back by the difference of the offsets, and its neighbour does not', async () => {
    await node.setWallClock({ offsetMs: HOUR_MS, rate: 1 });
    expect(await minutesOff(node)).toBe(60);

    await node.setWallClock({ offsetMs: -HOUR_MS, rate: 1 });
    expect(await minutesOff(node)).toBe(-60);

    expect(await Promise.all(fleet.nodes.slice(1).map(minutesOff))).toEqual([0]);
  });

  test('expires a key early when it jumps forward over its end', async () => {
    await node.command('SET', 'resource', 'lock value', 'PX', HOUR_MS);

    await node.setWallClock({ offsetMs: 2 * HOUR_MS, rate: 1 });

    expect(await node.command('EXISTS', 'resource')).toBe(0);
  });

  test('keeps a key longer when it jumps back', async () => {
    await node.command('SET', 'resource', 'lock value', 'PX', HOUR_MS);

    await node.setWallClock({ offsetMs: -HOUR_MS, rate: 1 });

    expect(await node.command('PTTL', 'resource')).toBeGreaterThan(HOUR_MS);
  });

  test('runs fast from where it was, and keeps what it gained when it runs true again', async () => {
    await node.setWallClock({ offsetMs: HOUR_MS, rate: 1_000 });
    await eventually('it has gained an hour', async () => (await minutesOff(node)) >= 120);

    await node.setWallClock({ offsetMs: HOUR_MS, rate: 1 });

    expect(await minutesOff(node)).toBeGreaterThanOrEqual(120);
  });

  test('runs slow without ever going back', async () => {
    let lastMs = await timeMsOf(node);
    await node.setWallClock({ offsetMs: 0, rate: 0.001 });

    await eventually('it has lost a second', async () => {
      const nowMs = await timeMsOf(node);
      expect(nowMs).toBeGreaterThanOrEqual(lastMs);
      lastMs = nowMs;
      return nowMs < Date.now() - 1_000;
    });
  });

  test('is off by the same offset after a restart', async () => {
    await node.setWallClock({ offsetMs: HOUR_MS, rate: 1 });

    await node.restart();

    expect(await minutesOff(node)).toBe(60);
  });
});

onLinux('a Node process on a wall clock of its own', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorlock-wall-clock-'));
  });

  afterEach(() => rm(directory, { recursive: true }));

  test('has Date off by the offset, and its monotonic clock true', async () => {
    const clock = await WallClock.create(join(directory, 'clock'));
    await clock.set({ offsetMs: -HOUR_MS, rate: 1 });
    const program = 'console.log(JSON.stringify([Date.now(), Number(process.hrtime.bigint())]))';

    const before = Number(process.hrtime.bigint());
    const { stdout } = await promisify(execFile)(process.execPath, ['--eval', program], {
      env: { ...process.env, ...clock.environment() },
    });
    const after = Number(process.hrtime.bigint());

    const [wallMs, monotonicNs] = JSON.parse(stdout);
    expect(Math.abs(wallMs - (Date.now() - HOUR_MS))).toBeLessThan(SLACK_MS);
    // One monotonic clock serves the whole machine, so that two processes can compare readings.
    expect(monotonicNs).toBeGreaterThan(before);
    expect(monotonicNs).toBeLessThan(after);
  });

  test('shows the last of settings that come at once', async () => {
    const file = join(directory, 'clock');
    const clock = await WallClock.create(file);

    await Promise.all(Array.from({ length: 20 }, (_, offsetMs) => clock.set({ offsetMs, rate: 1 })));

    expect(await readFile(file, 'utf8')).toBe('19 1\n');
  });

  test('refuses settings that are no clock', async () => {
    const clock = await WallClock.create(join(directory, 'clock'));

    await expect(clock.set({ offsetMs: 0.5, rate: 1 })).rejects.toThrow('offsetMs must be an integer');
    await expect(clock.set({ offsetMs: 0, rate: 0 })).rejects.toThrow('rate must be above 0');
    await expect(clock.set({ offsetMs: 0, rate: Number.NaN })).rejects.toThrow('rate must be above 0');
  });
});

test('a fleet on the true clock says how to get another', async () => {
  await using fleet = await Fleet.start(1);

  await expect(fleet.nodes[0]?.setWallClock({ offsetMs: 1, rate: 1 })).rejects.toThrow('{ wallClock: true }');
});

async function timeMsOf(node: FleetNode): Promise<number> {
  const reply = await node.command('TIME');
  if (!Array.isArray(reply)) throw new Error(`TIME was answered with ${reply}`);
  const [seconds, microseconds] = reply.map(Number);
  return (seconds ?? Number.NaN) * 1_000 + (microseconds ?? Number.NaN) / 1_000;
}

/** Rounded, so that the time the question takes does not show. */
async function minutesOff(node: FleetNode): Promise<number> {
  return Math.round(((await timeMsOf(node)) - Date.now()) / 60_000) + 0;
}
