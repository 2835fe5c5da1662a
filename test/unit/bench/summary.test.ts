import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readData } from '../../../scripts/bench/report/data.ts';
import { report } from '../../../scripts/bench/report/report.ts';
import { summaryOf, withSummary } from '../../../scripts/bench/report/summary.ts';
import { UsageError } from '../../../scripts/support/arguments.ts';

describe('the summary of the bench report', () => {
  it('stands in docs/performance.md as docs/bench.json has it', () => {
    const page = readFileSync('docs/performance.md', 'utf8');
    const data = readData('docs');
    if (data === undefined) throw new Error('there is no docs/bench.json');
    expect(summaryOf(data).rows.length).toBeGreaterThan(3);
    expect(withSummary(page, data)).toBe(page);
  });

  it('is refused by a page that has no place for it', () => {
    expect(() =>
      withSummary('# Performance\n', { machine: { node: '', cores: 1, processor: '' }, packages: {} }),
    ).toThrow('the page has no');
  });
});

describe('a report that is only to be drawn', () => {
  it('says what to run first where nothing was measured', async () => {
    const drawing = report({ draw: true, out: '/nowhere' });
    await expect(drawing).rejects.toThrow(UsageError);
    await expect(drawing).rejects.toThrow(
      'there is no /nowhere/bench.json to draw: run "npm run bench -- report --out /nowhere" first, without --draw',
    );
  });
});
