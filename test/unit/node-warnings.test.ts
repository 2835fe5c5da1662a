import { describe, expect, it } from 'vitest';
import type { NodeLook } from '../../src/node/marker.ts';
import { NodeWarnings } from '../../src/quorum/node-warnings.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

const MAX_TTL_MS = 30_000;

function scene() {
  const clock = new VirtualClock();
  const codes: string[] = [];
  const warnings = new NodeWarnings({ clock, maxTtl: MAX_TTL_MS, warn: ({ code }) => codes.push(code) });
  const look = (aheadMs: number): NodeLook => ({
    timeUs: (clock.uptime() + aheadMs) * 1_000,
    sentAtMs: clock.uptime(),
    receivedAtMs: clock.uptime(),
    runId: 'a',
    role: 'master',
    marker: '',
    written: false,
    evicts: false,
    evictionPolicy: 'noeviction',
  });
  return { clock, codes, warnings, look };
}

describe('clocks of nodes', () => {
  it('that are apart by up to maxTtl are nothing to tell of', () => {
    const { codes, warnings, look } = scene();
    warnings.looked('a', look(0));
    warnings.looked('b', look(MAX_TTL_MS));
    expect(codes).toEqual([]);
  });

  it('that are further apart are told of, once', () => {
    const { codes, warnings, look } = scene();
    warnings.looked('a', look(0));
    warnings.looked('b', look(-MAX_TTL_MS - 1));
    warnings.looked('c', look(2 * MAX_TTL_MS));
    expect(codes).toEqual(['QUORLOCK_CLOCKS_APART']);
  });

  it('whose readings say so only because an answer was late, or because one is old, are nothing to tell of', async () => {
    const { clock, codes, warnings, look } = scene();
    warnings.looked('a', look(0));
    const late = look(MAX_TTL_MS);
    warnings.looked('b', { ...late, timeUs: late.timeUs + 400_000, receivedAtMs: late.receivedAtMs + 500 });
    await clock.advance(2_000);
    warnings.looked('b', look(-MAX_TTL_MS - 1));
    expect(codes).toEqual([]);
  });

  it('that run wrong are told of once an episode, however often that shows', async () => {
    const { clock, codes, warnings } = scene();
    for (let i = 0; i < 1_000; i += 1) warnings.clockDiverged('a', 5);
    expect(codes).toEqual(['QUORLOCK_CLOCK']);
    warnings.clockDiverged('b', -5);
    expect(codes).toHaveLength(2);
    await clock.advance(MAX_TTL_MS + 1);
    warnings.clockDiverged('a', 5);
    expect(codes).toHaveLength(3);
  });
});
