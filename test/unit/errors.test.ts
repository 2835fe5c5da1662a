import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { describeVotes } from '../../src/base/describe-votes.ts';
import type { NodeVote } from '../../src/base/vote.ts';
import { FencingHeaderError, StaleTokenError } from '../../src/fencing/index.ts';
import * as library from '../../src/index.ts';

const LONG = 'x'.repeat(1_000_000);

const NODES = ['a:1', 'b:2', 'c:3'];

const held = (node: string, remainingTtl: number): NodeVote => ({
  node,
  latencyMs: 1,
  outcome: 'held',
  remainingTtl,
});

const failed = (node: string, reason: library.FailureReason, message: string): NodeVote => ({
  node,
  latencyMs: 1,
  outcome: 'failed',
  reason,
  message,
});

/** One of each, of a lock over these resources. */
function oneOfEach(resources: readonly string[], votes: readonly NodeVote[] = []): readonly Error[] {
  const details = { resources, votes, elapsedMs: 1 };
  return [
    new library.LockHeldError(details),
    new library.NoQuorumError(details),
    new library.WaitTimeoutError({ ...details, waitTime: 1_000 }),
    new library.LockExpiredError({ ...details, ttl: 1_000 }),
    new library.LockLostError('its validity has ended', details),
    new library.LockReleasedError(details),
    new library.ExtendFailedError({ ...details, remainingValidity: 997.261 }),
    new library.NotALockError(details),
    new library.UpgradeError(details),
    new library.InitializeError(NODES.map((node) => ({ node, why: LONG }))),
    new library.ClosedError(details),
    new StaleTokenError(resources[0] ?? '', 1, 2),
    new FencingHeaderError('QUORLOCK_TOKEN_MISSING', 'there is none'),
  ];
}

describe.each(oneOfEach(['a']).map((error): [string, Error] => [error.name, error]))(
  'a %s',
  (name, error) => {
    it('is named as its class is, in its stack and where it is printed', () => {
      expect(error.constructor.name).toBe(name);
      expect(Object.getPrototypeOf(error)).toHaveProperty('name', name);
      expect(error.stack).toMatch(new RegExp(`^${name}: `));
      expect(inspect(error)).toMatch(new RegExp(`^${name}: `));
      expect(name).toMatch(/Error$/);
    });

    it('has no cause, and does not say that it has none', () => {
      expect(error).not.toHaveProperty('cause');
      expect(inspect(error)).not.toContain('cause');
    });

    it('is told with its code as JSON', () => {
      expect(JSON.parse(JSON.stringify(error))).toMatchObject({
        name,
        code: expect.stringMatching(/^QUORLOCK_/),
      });
    });
  },
);

describe('the class of an error', () => {
  it('gives a name to none that extends it', () => {
    class OursError extends library.ClosedError {}
    expect(new OursError({ resources: [] }).name).toBe('OursError');
    expect(library.QuorlockError.name).toBe('QuorlockError');
  });
});

describe('an error about too few nodes', () => {
  it.each([
    [1, 'no quorum for "a": 1 of 1 node did not vote and 1 is needed. '],
    [3, 'no quorum for "a": 3 of 3 nodes did not vote and 2 are needed. '],
  ])('counts %i of them as one says it', (count, beginning) => {
    const votes = NODES.slice(0, count).map((node) => failed(node, 'error', 'it broke'));
    const { message } = new library.NoQuorumError({ resources: ['a'], votes });
    expect(message.slice(0, beginning.length)).toBe(beginning);
  });
});

describe('errors about much', () => {
  const many = Array.from({ length: 1_000 }, (_, index) => `resource-${index}`);

  it.each<[string, readonly string[], readonly NodeVote[]]>([
    ['a thousand resources', many, []],
    ['a resource with a name of 1 MB', [LONG], []],
    ['nodes with addresses of 1 MB', ['a'], NODES.map((node) => failed(node + LONG, 'error', 'it broke'))],
    ['nodes that say 1 MB', ['a'], NODES.map((node) => failed(node, 'error', node + LONG))],
    [
      'a holder of 1 MB',
      ['a'],
      [{ node: 'a:1', latencyMs: 1, outcome: 'held', remainingTtl: 7, holder: LONG }],
    ],
    ['a key of a type of 1 MB', ['a'], [{ node: 'a:1', latencyMs: 1, outcome: 'foreign', type: LONG }]],
    ['a thousand nodes', ['a'], many.map((node, index) => failed(node, 'error', `it broke ${index}`))],
  ])('%s are short, and keep all of it in their fields', (_what, resources, votes) => {
    for (const error of oneOfEach(resources, votes)) {
      expect(error.message.length, error.name).toBeLessThan(10_000);
      expect(error.stack?.length).toBeLessThan(20_000);
      if (error instanceof library.QuorlockError && !(error instanceof library.InitializeError)) {
        expect(error.resources).toEqual(resources);
        expect(error.votes).toEqual(votes);
      }
    }
  });

  it('name some of the resources, and how many more there are', () => {
    const { message } = new library.LockHeldError({ resources: many });
    expect(message).toContain('"resource-0", "resource-1"');
    expect(message).toContain('and 995 more is held');
  });
});

describe('what nodes said', () => {
  it('is there once where several said the same, with all of them', () => {
    expect(describeVotes(NODES.map((node) => failed(node, 'timeout', 'no answer within 50 ms')))).toBe(
      'a:1, b:2, c:3: timeout (no answer within 50 ms)',
    );
    expect(describeVotes([failed('a:1', 'error', 'x'), held('b:2', 7), failed('c:3', 'error', 'x')])).toBe(
      'a:1, c:3: error (x); b:2: held, 7 ms left',
    );
  });

  it('says of a lock how long is left of it', () => {
    expect(describeVotes([held('a:1', 2_694)])).toBe('a:1: held, 2694 ms left');
    expect(describeVotes([held('a:1', 2_694), held('b:2', 2_701), held('c:3', 2_694)])).toBe(
      'a:1, b:2, c:3: held, 2694 to 2701 ms left',
    );
  });

  it('is there once also if nodes in quarantine were asked at different moments', () => {
    const until = (second: number) => `it is new, and votes again at 10:00:0${second}Z, ${second} s from now`;
    const votes = [1, 3, 2].map((second, index) => failed(NODES[index] ?? '', 'quarantined', until(second)));
    expect(describeVotes([...votes, failed('d:4', 'quarantined', 'its marker could not be written')])).toBe(
      `a:1, b:2, c:3: quarantined (${until(3)}); d:4: quarantined (its marker could not be written)`,
    );
  });

  it('is there once also if they owe different numbers of answers', () => {
    const votes = NODES.map((node, index) =>
      failed(node, 'overloaded', `${index + 7} operations wait for an answer`),
    );
    expect(describeVotes(votes)).toBe('a:1, b:2, c:3: overloaded (9 operations wait for an answer)');
  });

  it('stays on one line', () => {
    expect(describeVotes([failed('a:1\n', 'error', 'one\ntwo')])).toBe('a:1: error (one two)');
  });
});
