import { describe, expect, it } from 'vitest';
import { FilteredTrace, traceFilterOf } from '../../../scripts/faults/simulator/trace-filter.ts';

const TRACE = [
  '       3.962  node-3:6379     for machine 1: look: marker none',
  '      27.066  node-2:6379     for machine 1: share lock:a (value 1): granted; acquire lock:b (value 2): held',
  '      28.000  node-1:6379     for machine 2: release lock:b (value 2): granted, counter 1',
  '      29.500  node-1:6379     publish "1" on quorlock:wake:x: sent to 1',
  '      30.000  machine 2       is paused for 12 ms',
  '      31.000  node-2:6379     crashes',
];

function shown(values: Parameters<typeof traceFilterOf>[0], width?: number) {
  const lines: string[] = [];
  const trace = new FilteredTrace(traceFilterOf(values), (line) => lines.push(line.trim()), width);
  for (const line of TRACE) trace.line(line);
  return { lines, rest: trace.rest };
}

describe('a trace shows', () => {
  it('all of a short run, an operation a line', () => {
    const { lines, rest } = shown({});
    expect(lines).toHaveLength(7);
    expect(lines[1]).toBe('27.066  node-2:6379  machine 1: share lock:a (value 1): granted');
    expect(lines[2]).toBe('27.066  node-2:6379  machine 1: acquire lock:b (value 2): held');
    expect(rest).toBe('');
  });

  it.each([
    ['of a node', { node: '1' }, ['28.000', '29.500']],
    ['of a machine', { machine: '2' }, ['28.000', '30.000']],
    ['of a kind', { kind: 'acquire' }, ['27.066', '27.066']],
    ['of two kinds', { kind: 'look,wait' }, ['3.962', '29.500']],
    ['that is a fault', { kind: 'fault' }, ['30.000', '31.000']],
    ['from a moment to another', { from: '28', to: '30' }, ['28.000', '29.500', '30.000']],
  ])('what is %s', (_, values, times) => {
    const { lines, rest } = shown(values);
    expect(lines.map((line) => line.split(' ')[0])).toEqual(times);
    expect(rest).toBe(`${7 - times.length} other events.`);
  });

  it('as much as fits a screen, and says how much is left', () => {
    const { lines, rest } = shown({ lines: '2' }, 30);
    expect(lines.every((line) => line.length <= 30)).toBe(true);
    expect(rest).toMatch(/^5 more events\. Choose with --node/);
    expect(shown({ lines: 'all' }).rest).toBe('');
  });
});

it.each([
  [{ node: 'one' }, '--node must be a number from 0: got "one"'],
  [{ lines: '-1' }, '--lines must be a number from 0: got "-1"'],
  [
    { kind: 'acquire,flush' },
    '--kind must be of acquire, confirm, extend, release, wait, look, fault, with commas between: got "flush"',
  ],
])('%o is refused', (values, message) => {
  expect(() => traceFilterOf(values)).toThrow(message);
});
