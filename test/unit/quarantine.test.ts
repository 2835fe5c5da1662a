import { describe, expect, it } from 'vitest';
import { quarantineMs, reasonToAskAll, reasonToWait } from '../../src/quorum/quarantine.ts';

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
    expect(reason).toContain('votes again at 2030-01-01T10:00:13Z, 13 s from now: then');
    expect(reason).toContain('For a new deployment call initialize()');
  });

  it('among others that cannot be asked names them, and says what to do', () => {
    const reason = reasonToAskAll(['a:1', 'b:2']);
    expect(reason).toContain("a:1, b:2 can't be asked");
    expect(reason).toMatch(/Start what is missing, or call initialize\(\)$/);
  });
});
