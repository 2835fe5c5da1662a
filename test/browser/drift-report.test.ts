import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { describeReport, itHasReadableCharts } from './report-page.ts';

const CHARTS = [
  ...['drift-worst-case', 'drift-threshold', 'drift-random', 'detection', 'steps', 'pauses'],
  ...['availability', 'latency-exponential', 'latency-uniform'],
];

describeReport('simulate-drift.ts', ['--quick'], 'index.html', (report) => {
  it('agrees with theory, says the threshold, and keeps the numbers as CSV', async () => {
    const { output } = report.ended;
    expect(output).toMatch(/All \d+ numbers that theory predicts agree with it/);
    expect(output).toMatch(
      /no lock overlapped up to a relative clock error of 1\.\d+ %\. Theory says 1\.\d+ %/,
    );
    const csv = await readFile(report.path('results.csv'), 'utf8');
    const [head = '', ...rows] = csv.trim().split('\n');
    expect(rows.length).toBeGreaterThan(100);
    // A field with a comma in it is quoted.
    const fieldsOf = (line: string) => line.match(/("[^"]*"|[^,]*)(,|$)/g)?.slice(0, -1) ?? [];
    for (const row of rows) expect(fieldsOf(row)).toHaveLength(fieldsOf(head).length);
  });

  itHasReadableCharts(report, 'index.html', CHARTS);
});
