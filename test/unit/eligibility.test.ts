import { describe, expect, it } from 'vitest';
import {
  foreignObstacle,
  namelessObstacle,
  replicaObstacle,
  twinObstacle,
} from '../../src/membership/eligibility.ts';
import type { Marker } from '../../src/node/marker.ts';

describe('a replica', () => {
  it('is no node, and the obstacle says to give a master', () => {
    expect(replicaObstacle({ role: 'slave' })).toMatch(/^it is a slave, .*Give the address of a master$/);
  });

  it('is one that a master is not', () => {
    expect(replicaObstacle({ role: 'master' })).toBeUndefined();
  });
});

describe('a server that does not tell its run_id', () => {
  it('is no node: it could lose its memory unnoticed', () => {
    expect(namelessObstacle({ runId: '' })).toMatch(
      /^it does not tell its run_id .* or say quarantine: 'off'$/s,
    );
    expect(namelessObstacle({ runId: 'aa' })).toBeUndefined();
  });
});

describe('a server under two addresses', () => {
  const other = (address: string, runId?: string) => ({
    node: { address },
    handshake: runId === undefined ? undefined : { runId },
  });

  it('is no second node, and the obstacle names the first', () => {
    const others = [other('a:1', 'aa'), other('b:1', 'bb'), other('c:1', 'cc')];
    expect(twinObstacle({ runId: 'bb' }, others)).toContain('same server as b:1, under another address');
  });

  it('is one that other servers are not, nor those without a handshake', () => {
    expect(twinObstacle({ runId: 'bb' }, [other('a:1', 'aa'), other('b:1')])).toBeUndefined();
    expect(twinObstacle({ runId: 'bb' }, [])).toBeUndefined();
  });
});

describe('a node of another quorum', () => {
  const marker = (state: Marker['state']): Marker => ({
    state,
    runId: 'aa',
    nonce: 'n',
    nodeCount: 5,
    maxTtl: 30_000,
  });

  it.each(['active', 'joining'] as const)(
    'is known by its %s marker, and the obstacle says what to do',
    (state) => {
      const obstacle = foreignObstacle(marker(state), 3);
      expect(obstacle).toContain('one of a quorum of 5, and here are 3');
      expect(obstacle).toMatch(/same list of nodes; .* call initialize\(\)$/);
    },
  );

  it('is none of as many nodes', () => {
    expect(foreignObstacle(marker('active'), 5)).toBeUndefined();
  });

  it('is none that a client only began to start, or that has no marker', () => {
    expect(foreignObstacle(marker('starting'), 3)).toBeUndefined();
    expect(foreignObstacle(undefined, 3)).toBeUndefined();
  });
});
