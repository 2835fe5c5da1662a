import { describe, expect, it } from 'vitest';
import { NoQuorumError } from '../../src/index.ts';
import { quarantineMs, reasonToAskAll, reasonToWait } from '../../src/membership/quarantine.ts';
import { RECONNECT_MS, Scene } from './failures/scene.ts';

describe('a quarantine', () => {
  it('takes the longest ttl with the full drift, twice the clamp of tokens, and 100 ms', () => {
    expect(quarantineMs(30_000, 0.01)).toBe(30_300 + 2_000 + 100);
    expect(quarantineMs(1_000, 0.5)).toBe(1_500 + 2_000 + 100);
    expect(quarantineMs(1_000, 0)).toBe(1_000 + 2_000 + 100);
  });
});

describe('the reason why a node does not vote', () => {
  it('in quarantine says until when, for how long, and how to end it', () => {
    const reason = reasonToWait(12_345.1, Date.UTC(2030, 0, 1, 10));
    expect(reason).toContain('votes again at 2030-01-01T10:00:13Z, 13 s from now. Then');
    expect(reason).toContain(
      'Only a new deployment, where no program had a lock yet, may end this by initialize()',
    );
  });

  it('among others that cannot be asked names them, and says what to do', () => {
    const reason = reasonToAskAll(['a:1', 'b:2']);
    expect(reason).toContain("a:1, b:2 can't be asked");
    expect(reason).toMatch(/Start what is missing, or call initialize\(\)$/);
  });
});

describe('nodes in quarantine', () => {
  const REASON = /votes again at (\S+), (\d+) s from now/;

  /** What an attempt says of the quarantine of all nodes: until when it lasts, and for how many seconds. */
  async function told(scene: Scene): Promise<{ readonly until: string; readonly seconds: number }> {
    const error: unknown = await scene.world.clock
      .runUntil(scene.other.acquire('r', { waitTime: 0 }))
      .catch((thrown: unknown) => thrown);
    const { message, votes } = error as NoQuorumError;
    expect(error).toBeInstanceOf(NoQuorumError);
    expect(votes).toHaveLength(3);
    // What all of them say is there once.
    expect(message.match(/votes again at/g)).toHaveLength(1);
    expect(message).toContain('[node-1:6379, node-2:6379, node-3:6379: quarantined (');
    const [, until = '', seconds] = REASON.exec(message) ?? [];
    return { until, seconds: Number(seconds) };
  }

  it('say at every moment how long is left', async () => {
    const scene = await Scene.open(3, { quarantine: 'strict' });
    for (const server of scene.world.servers) server.restart({ keepMemory: false });
    await scene.world.clock.advance(RECONNECT_MS);
    const first = await told(scene);
    await scene.world.clock.advance(10_000);
    const second = await told(scene);
    await scene.world.clock.advance(450);
    const third = await told(scene);

    expect(first.seconds).toBeGreaterThan(30);
    expect(first.seconds - second.seconds).toBeGreaterThanOrEqual(9);
    expect(first.seconds - second.seconds).toBeLessThanOrEqual(11);
    expect(third.seconds).toBeLessThanOrEqual(second.seconds);
    for (const { until } of [second, third]) {
      expect(Math.abs(Date.parse(until) - Date.parse(first.until))).toBeLessThanOrEqual(1_000);
    }
  });
});
