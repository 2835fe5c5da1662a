import { describe, expect, it } from 'vitest';
import { LockLostError } from '../../../src/base/errors.ts';
import type { Random } from '../../../src/base/random.ts';
import type { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { World } from '../world.ts';

/** The clocks of a machine that is set back to a snapshot: they go on from what they showed then. */
class SnapshotClock {
  readonly #clock: VirtualClock;
  readonly #wallIsSet: boolean;
  #lostMs = 0;

  /** @param wallIsSet whether something sets the wall clock after the restore, as a guest agent does */
  constructor(clock: VirtualClock, wallIsSet: boolean) {
    this.#clock = clock;
    this.#wallIsSet = wallIsSet;
  }

  monotonic(): number {
    return this.#clock.monotonic() - this.#lostMs;
  }

  uptime(): number {
    return this.#clock.uptime() - this.#lostMs;
  }

  wall(): number {
    return this.#clock.wall() - (this.#wallIsSet ? 0 : this.#lostMs);
  }

  after(delayMs: number, callback: () => void) {
    return this.#clock.after(delayMs, callback);
  }

  /** Comes back as it is now, this much later. */
  async restoreAfter(ms: number): Promise<void> {
    await this.#clock.pause(ms);
    this.#lostMs += ms;
  }
}

describe("a holder's machine that is set back to a snapshot, after its lock has gone to another holder", () => {
  async function restored(wallIsSet: boolean) {
    const world = new World(3);
    const clock = new SnapshotClock(world.clock, wallIsSet);
    const machine = world.machine();
    const lock = await world.clock.runUntil(world.redlock({ clock }).acquire('r', { ttl: 10_000 }));
    await clock.restoreAfter(20_000);
    const second = await world.clock.runUntil(world.redlock({}, machine).acquire('r', { ttl: 10_000 }));
    second.assertHeld();
    return { lock, second };
  }

  it('finds the lock lost at the first look, if the wall clock was set', async () => {
    const { lock } = await restored(true);
    expect(lock.signal.aborted).toBe(true);
    expect(() => lock.assertHeld()).toThrow(LockLostError);
  });

  it('takes it for held if every clock was set back with it; its token is lower than that of the new holder', async () => {
    const { lock, second } = await restored(false);
    lock.assertHeld();
    expect(second.token).toBeGreaterThan(lock.token);
  });
});

describe('two processes that draw the same chance', () => {
  it('use the same lock values, and both hold the lock, with the same token', async () => {
    const world = new World(3);
    const cloned: Random = { fraction: () => 0.5, identifier: () => 'cloned' };
    const one = world.redlock({ random: cloned, owner: 'cloned' });
    const other = world.redlock({ random: cloned, owner: 'cloned' }, world.machine());
    const first = await world.clock.runUntil(one.acquire('r', { ttl: 10_000 }));
    const second = await world.clock.runUntil(other.acquire('r', { ttl: 10_000 }));
    first.assertHeld();
    second.assertHeld();
    expect(second.value).toBe(first.value);
    expect(second.token).toBe(first.token);
  });
});
