import { describe, expect, it } from 'vitest';
import { parseArguments } from '../../../scripts/drift/arguments.ts';
import { csvOf } from '../../../scripts/drift/csv.ts';

describe('a CSV', () => {
  it('has a line of names, empty cells for what does not apply, and quotes where they are needed', () => {
    const rows = [
      { a: 1, b: 'x, y' },
      { a: undefined, b: 'say "no"\nand go' },
    ];
    expect(csvOf(['a', 'b'], rows)).toBe('a,b\r\n1,"x, y"\r\n,"say ""no""\nand go"\r\n');
  });
});

describe('the arguments of simulate:drift', () => {
  it('are quick or default, with a seed and a folder', () => {
    expect(parseArguments([])).toMatchObject({ extent: 'default', seed: 1 });
    expect(parseArguments(['--quick', '--seed', '7'])).toMatchObject({ extent: 'quick', seed: 7 });
  });

  it.each([
    [['--seed=-1'], '--seed must be an integer'],
    [['--seed', 'x'], '--seed must be an integer'],
    [['--out', ' '], '--out must be a folder'],
    [['--what'], '--what'],
  ])('refuse %j', (args, message) => {
    expect(() => parseArguments(args)).toThrow(message);
  });
});
