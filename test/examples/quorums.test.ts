import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Quorums, usingBoth } from '../../examples/recipes/quorums.ts';
import type { Fleet } from '../../scripts/fleet/fleet.ts';
import { NoQuorumError, Redlock } from '../../src/index.ts';
import { PATIENT, startDeployment } from '../support/deployment.ts';

const NAMES = ['north', 'east', 'south'];
const RESOURCES = Array.from({ length: 3_000 }, (_, index) => `order:${index}`);

let fleets: Fleet[];
beforeAll(async () => {
  fleets = await Promise.all(NAMES.map(() => startDeployment(5)));
});
afterAll(async () => {
  await Promise.all(fleets.map((fleet) => fleet.stop()));
});

/** What one program knows. */
function program(names = NAMES) {
  const all = new Map(NAMES.map((name, index) => [name, new Redlock(fleets[index]?.urls ?? [], PATIENT)]));
  onTestFinished(async () => {
    await Promise.all([...all.values()].map((redlock) => redlock.close()));
  });
  const quorumsOf = (known: readonly string[]) =>
    new Quorums(new Map([...all].filter(([name]) => known.includes(name))));
  const quorums = quorumsOf(names);
  const nameOf = (resource: string, where = quorums) =>
    NAMES.find((name) => all.get(name) === where.of(resource)) ?? '';
  return { quorums, quorumsOf, nameOf };
}

function fleetOf(name: string): Fleet {
  const fleet = fleets[NAMES.indexOf(name)];
  if (fleet === undefined) throw new Error(`there is no quorum ${name}`);
  return fleet;
}

describe('quorums', () => {
  it('have an equal share of resources each, by their names and not by their order', () => {
    const { nameOf } = program();
    const reversed = program([...NAMES].reverse());
    const counts = new Map(NAMES.map((name) => [name, 0]));
    for (const resource of RESOURCES) {
      const name = nameOf(resource);
      counts.set(name, (counts.get(name) ?? 0) + 1);
      expect(reversed.nameOf(resource)).toBe(name);
    }
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(100);
  });

  it('that are added take resources, and those that stay exchange none', () => {
    const { nameOf, quorumsOf } = program();
    const before = quorumsOf(['north', 'east']);
    const moved = RESOURCES.filter((resource) => nameOf(resource) !== nameOf(resource, before));
    expect(moved.every((resource) => nameOf(resource) === 'south')).toBe(true);
    expect(moved.length).toBe(RESOURCES.filter((resource) => nameOf(resource) === 'south').length);
  });

  it('are three times five masters, of which only five know a lock', async () => {
    const { quorums, nameOf } = program();
    const rival = program();
    for (const resource of RESOURCES.slice(0, 6)) {
      await using _lock = await quorums.of(resource).acquire(resource);
      expect(await rival.quorums.of(resource).tryAcquire(resource)).toBeNull();
      for (const name of NAMES) {
        const keys = await Promise.all(
          fleetOf(name).nodes.map((node) => node.command('EXISTS', `lock:${resource}`)),
        );
        const held = keys.filter((key) => key === 1).length;
        if (name === nameOf(resource)) expect(held).toBeGreaterThanOrEqual(3);
        else expect(held).toBe(0);
      }
    }
  });

  it('change while programs know different lists, and no two hold the same', async () => {
    const { quorums, quorumsOf, nameOf } = program();
    const resource = RESOURCES.find((one) => nameOf(one) === 'south') ?? '';
    const before = quorumsOf(['north', 'east']);
    const late = program(['north', 'east']).quorums;
    const early = program().quorums;
    await usingBoth(before, quorums, resource, {}, async (_lock, signal) => {
      expect(await late.of(resource).tryAcquire(resource)).toBeNull();
      expect(await early.of(resource).tryAcquire(resource)).toBeNull();
      expect(signal.aborted).toBe(false);
    });
    for (const one of [late, early]) await (await one.of(resource).acquire(resource)).release();
    const stays = RESOURCES.find((one) => nameOf(one) === 'north') ?? '';
    expect(await usingBoth(before, quorums, stays, {}, async () => 'once')).toBe('once');
  });

  it('fail alone', async () => {
    const { quorums, nameOf } = program();
    const lost = fleetOf('east');
    onTestFinished(async () => {
      await Promise.all(lost.nodes.map((node) => (node.state === 'down' ? node.restart() : undefined)));
    });
    const resourceOf = (name: string) => RESOURCES.find((resource) => nameOf(resource) === name) ?? '';
    for (const name of NAMES) await (await quorums.of(resourceOf(name)).acquire(resourceOf(name))).release();
    await Promise.all(lost.nodes.slice(0, 3).map((node) => node.kill()));
    await vi.waitFor(
      () =>
        expect(quorums.of(resourceOf('east')).tryAcquire(resourceOf('east'))).rejects.toThrow(NoQuorumError),
      60_000,
    );
    for (const name of ['north', 'south']) {
      await (await quorums.of(resourceOf(name)).acquire(resourceOf(name))).release();
    }
  });

  it('are at least one', () => expect(() => new Quorums(new Map())).toThrow(RangeError));
});
