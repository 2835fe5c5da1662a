import { describe, expect, it } from 'vitest';
import type { NodeState } from '../../src/base/diagnostics.ts';
import { NodeWarnings } from '../../src/membership/node-warnings.ts';
import type { Handshake } from '../../src/node/marker.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

const MAX_TTL_MS = 30_000;

const step = (byMs: number) => ({ byMs, mostAheadMs: byMs, withinMs: 1_000 });

function scene() {
  const clock = new VirtualClock();
  const codes: string[] = [];
  const messages: string[] = [];
  const warnings = new NodeWarnings({
    clock,
    driftFactor: 0.01,
    maxTtl: MAX_TTL_MS,
    nodeCount: 3,
    quota: 2,
    upCount: () => 2,
    warn: ({ code, message }) => {
      codes.push(code);
      messages.push(message);
    },
  });
  const look = (aheadMs: number): Handshake => ({
    timeUs: (clock.uptime() + aheadMs) * 1_000,
    sentAtMs: clock.uptime(),
    receivedAtMs: clock.uptime(),
    runId: 'a',
    role: 'master',
    marker: '',
    written: false,
    evicts: false,
    evictionPolicy: 'noeviction',
    version: '7.0.15',
  });
  return { clock, codes, messages, warnings, look };
}

describe('clocks of nodes', () => {
  it('that are apart by up to maxTtl are nothing to tell of', () => {
    const { codes, warnings, look } = scene();
    warnings.greeted('a', look(0));
    warnings.greeted('b', look(MAX_TTL_MS));
    expect(codes).toEqual([]);
  });

  it('that are further apart are told of, once', () => {
    const { codes, warnings, look } = scene();
    warnings.greeted('a', look(0));
    warnings.greeted('b', look(-MAX_TTL_MS - 1));
    warnings.greeted('c', look(2 * MAX_TTL_MS));
    expect(codes).toEqual(['QUORLOCK_CLOCKS_APART']);
  });

  it('are told of with how far they are apart, and what to do', () => {
    const { messages, warnings, look } = scene();
    warnings.greeted('a', look(0));
    warnings.greeted('b', look(45_000));
    expect(messages[0]).toContain('at least 45000 ms apart, more than maxTtl (30000 ms)');
    expect(messages[0]).toContain('Set the clocks of all nodes');
  });

  it('are compared if they were read within a second', async () => {
    const { clock, codes, warnings, look } = scene();
    warnings.greeted('a', look(0));
    await clock.advance(1_000);
    warnings.greeted('b', look(MAX_TTL_MS + 1));
    expect(codes).toEqual(['QUORLOCK_CLOCKS_APART']);
  });

  it('whose readings say so only because an answer was late, or because one is old, are nothing to tell of', async () => {
    const { clock, codes, warnings, look } = scene();
    warnings.greeted('a', look(0));
    const late = look(MAX_TTL_MS);
    warnings.greeted('b', { ...late, timeUs: late.timeUs + 400_000, receivedAtMs: late.receivedAtMs + 500 });
    await clock.advance(2_000);
    warnings.greeted('b', look(-MAX_TTL_MS - 1));
    expect(codes).toEqual([]);
  });

  it('that run wrong are told of now and then as long as they do, however often that shows', async () => {
    const { clock, codes, warnings } = scene();
    for (let i = 0; i < 1_000; i += 1) warnings.clockDiverged('a', step(5_000), MAX_TTL_MS);
    expect(codes).toEqual(['QUORLOCK_CLOCK']);
    warnings.clockDiverged('b', step(-5_000), MAX_TTL_MS);
    expect(codes).toHaveLength(2);
    for (let second = 0; second < 90; second += 1) {
      await clock.advance(1_000);
      warnings.clockDiverged('a', step(5_000), MAX_TTL_MS);
    }
    expect(codes).toHaveLength(5);
  });

  it.each([
    [4_999.6, '5000 ms ahead of', 'do not count for 30000 ms'],
    [-4_999.6, '5000 ms behind', 'it goes on voting'],
  ])('by %f ms are told of with that, what it means, and what to do', (byMs, how, effect) => {
    const { messages, warnings } = scene();
    warnings.clockDiverged('a', step(byMs), MAX_TTL_MS);
    expect(messages[0]).toContain(`the clock of a is ${how} what it should be`);
    expect(messages[0]).toContain(effect);
    expect(messages[0]).toContain('Have its clock slewed, not stepped');
  });

  it.each([
    [
      50,
      'gained 50 ms in 1000 ms (5.0 %), which is more than driftFactor (0.01) allows',
      'driftFactor to 0.06',
    ],
    [
      -80,
      'lost 80 ms in 1000 ms (8.0 %), which is more than driftFactor (0.01) allows',
      'driftFactor to 0.1 ',
    ],
    [450, 'gained 450 ms in 1000 ms (45.0 %)', 'Have it slewed more slowly$'],
  ])('that are slewed, by %f ms a second, are told of with the rate and driftFactor', (byMs, how, raise) => {
    const { messages, warnings } = scene();
    warnings.clockDiverged('a', { byMs, mostAheadMs: byMs, withinMs: 1_000 }, MAX_TTL_MS);
    expect(messages[0]).toContain(how);
    expect(messages[0]).toMatch(new RegExp(raise));
  });
});

describe('a node that may evict keys', () => {
  it('is told of once, with its policy and what to do', () => {
    const { codes, messages, warnings, look } = scene();
    const evicting = { ...look(0), evicts: true, evictionPolicy: 'allkeys-lru' };
    for (let looks = 0; looks < 3; looks += 1) warnings.greeted('a', evicting);
    expect(codes).toEqual(['QUORLOCK_EVICTION']);
    expect(messages[0]).toMatch(/^a may evict locks .*allkeys-lru.* maxmemory-policy to noeviction$/);
  });

  it('is told of for each such node', () => {
    const { codes, messages, warnings, look } = scene();
    const evicting = { ...look(0), evicts: true, evictionPolicy: 'allkeys-lru' };
    for (const address of ['a', 'b']) warnings.greeted(address, evicting);
    warnings.greeted('c', look(0));
    expect(codes).toEqual(['QUORLOCK_EVICTION', 'QUORLOCK_EVICTION']);
    expect(messages[1]).toMatch(/^b may evict/);
  });
});

it('tells once of a node that goes from one fault to another again and again', async () => {
  const { clock, codes, messages, warnings } = scene();
  const change = (state: NodeState, before: NodeState) =>
    warnings.nodeChanged({ node: 'a', state, before, why: () => `it is ${state}`, lastedMs: 0 });
  change('down', 'up');
  for (let times = 0; times < 20; times += 1) {
    await clock.advance(100);
    change('refused', 'down');
    await clock.advance(100);
    change('down', 'refused');
  }
  expect(codes).toHaveLength(1);
  await clock.advance(2_000);
  expect(codes.length).toBeLessThanOrEqual(3);
  const told = codes.length;
  change('up', 'down');
  expect(codes).toHaveLength(told + 1);
  expect(messages.at(-1)).toMatch(/^a was down for .* s, and votes again/);
});

describe('a node whose answers come now in time and now too late', () => {
  const changes = (warnings: NodeWarnings) => (before: NodeState, state: NodeState) => {
    warnings.nodeChanged({ node: 'a', state, before, why: () => 'it is far away', lastedMs: 10 });
    if (state === 'slow') warnings.tooSlow('a');
  };

  it('is told of as slow, with the end of that, now and then', async () => {
    const { clock, codes, messages, warnings } = scene();
    const change = changes(warnings);
    for (let turn = 0; turn < 1_000; turn += 1) {
      change('up', 'slow');
      await clock.advance(40);
      change('slow', 'up');
      await clock.advance(50);
    }
    // For 90 s.
    expect(codes).toEqual(Array.from({ length: 6 }, () => 'QUORLOCK_NODE_SLOW'));
    expect(messages.filter((message) => message.includes('votes again'))).toHaveLength(3);
  });

  it('is told of whenever it stays slow for a second', async () => {
    const { clock, codes, warnings } = scene();
    const change = changes(warnings);
    for (let turn = 0; turn < 3; turn += 1) {
      change('up', 'slow');
      await clock.advance(1_001);
      change('slow', 'up');
    }
    expect(codes).toHaveLength(6);
  });
});
