/// <reference lib="dom" />
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeReport, itHasReadableCharts } from './report-page.ts';

describeReport(
  'bench.ts',
  ['report', '--draw'],
  'bench.html',
  (report) => {
    it('is what the README shows', async () => {
      const [drawn, shown] = await Promise.all(
        [report.path('bench.svg'), 'docs/bench.svg'].map((path) => readFile(path, 'utf8')),
      );
      expect(drawn).toBe(shown);
    });

    itHasReadableCharts(report, 'bench.html', ['rate', 'p50', 'alone', 'client', 'jain', 'held']);

    it.each(['light', 'dark'] as const)('is an image that can be read on %s ground', async (colorScheme) => {
      const page = await report.open('bench.svg', { viewport: { width: 600, height: 800 }, colorScheme });
      const [ground, ink] = await page.evaluate(() =>
        ['rect', 'text'].map((tag) => getComputedStyle(document.querySelector(tag) ?? document.body).fill),
      );
      const lightness = (rgb = '') => Math.max(...(rgb.match(/\d+/g) ?? []).map(Number));
      if (colorScheme === 'light') expect(lightness(ground)).toBeGreaterThan(lightness(ink) + 128);
      else expect(lightness(ink)).toBeGreaterThan(lightness(ground) + 128);
    });
  },
  (folder) => copyFile('docs/bench.json', join(folder, 'bench.json')),
);
