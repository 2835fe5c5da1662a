import { describe, expect, it } from 'vitest';
import { csvOf } from '../../../scripts/drift/csv.ts';
import { Progress } from '../../../scripts/drift/progress.ts';

describe('a CSV', () => {
  it('has a line of names, empty cells for what does not apply, and quotes where they are needed', () => {
    const rows = [
      { a: 1, b: 'x, y' },
      { a: undefined, b: 'say "no"\nand go' },
    ];
    expect(csvOf(['a', 'b'], rows)).toBe('a,b\r\n1,"x, y"\r\n,"say ""no""\nand go"\r\n');
  });
});

describe('the progress of a run', () => {
  it('counts what was known before, and judges the rest by the speed of this run alone', () => {
    let nowMs = 5_000;
    const progress = new Progress(1_000, () => nowMs);
    progress.skip(500);
    expect(progress).toMatchObject({ share: 0.5, text: '500 of 1,000 trials' });
    nowMs += 30_000;
    progress.add(100);
    expect(progress).toMatchObject({ share: 0.6, text: '600 of 1,000 trials, 2:00 left' });
  });

  it('is over at once if there is nothing to do', () => {
    expect(new Progress(0, () => 0).share).toBe(1);
  });
});
