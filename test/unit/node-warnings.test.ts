import { describe, expect, it } from 'vitest';
import type { NodeLook } from '../../src/node/marker.ts';
import { NodeWarnings } from '../../src/quorum/node-warnings.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

const MAX_TTL_MS = 30_000;

function scene() {
  const clock = new VirtualClock();
  const codes: string[] = [];
  const messages: string[] = [];
  const warnings = new NodeWarnings({
    clock,
    maxTtl: MAX_TTL_MS,
    warn: ({ code, message }) => {
      codes.push(code);
      messages.push(message);
    },
  });
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
  return { clock, codes, messages, warnings, look };
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

  it('are told of with how far they are apart, and what to do', () => {
    const { messages, warnings, look } = scene();
    warnings.looked('a', look(0));
    warnings.looked('b', look(45_000));
    expect(messages[0]).toContain('at least 45000 ms apart, more than maxTtl (30000 ms)');
    expect(messages[0]).toContain('Set the clocks of all nodes');
  });

  it('are compared if they were read within a second', async () => {
    const { clock, codes, warnings, look } = scene();
    warnings.looked('a', look(0));
    await clock.advance(1_000);
    warnings.looked('b', look(MAX_TTL_MS + 1));
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
    for (let i = 0; i < 1_000; i += 1) warnings.clockDiverged('a', 5, MAX_TTL_MS);
    expect(codes).toEqual(['QUORLOCK_CLOCK']);
    warnings.clockDiverged('b', -5, MAX_TTL_MS);
    expect(codes).toHaveLength(2);
    await clock.advance(MAX_TTL_MS);
    warnings.clockDiverged('a', 5, MAX_TTL_MS);
    expect(codes).toHaveLength(3);
  });

  it.each([
    [4_999.6, '5000 ms ahead of'],
    [-4_999.6, '5000 ms behind'],
  ])('by %f ms are told of with that, and what to do', (byMs, how) => {
    const { messages, warnings } = scene();
    warnings.clockDiverged('a', byMs, MAX_TTL_MS);
    expect(messages[0]).toContain(`the clock of a is ${how} what it should be`);
    expect(messages[0]).toContain('do not count for 30000 ms. Have its clock slewed');
  });
});

describe('a node that may evict keys', () => {
  it('is told of once, with its policy and what to do', () => {
    const { codes, messages, warnings, look } = scene();
    const evicting = { ...look(0), evicts: true, evictionPolicy: 'allkeys-lru' };
    for (let looks = 0; looks < 3; looks += 1) warnings.looked('a', evicting);
    expect(codes).toEqual(['QUORLOCK_EVICTION']);
    expect(messages[0]).toMatch(/^a may evict locks .*allkeys-lru.* maxmemory-policy to noeviction$/);
  });

  it('is told of for each such node', () => {
    const { codes, messages, warnings, look } = scene();
    const evicting = { ...look(0), evicts: true, evictionPolicy: 'allkeys-lru' };
    for (const address of ['a', 'b']) warnings.looked(address, evicting);
    warnings.looked('c', look(0));
    expect(codes).toEqual(['QUORLOCK_EVICTION', 'QUORLOCK_EVICTION']);
    expect(messages[1]).toMatch(/^b may evict/);
  });
});
