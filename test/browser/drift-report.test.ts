/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium } from './chromium.ts';
import { chartsOf, openReport, textOutside } from './report-page.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');

/** The smallest text that can be read, in pixels. */
const READABLE_PX = 9;

const executablePath = findChromium();
if (executablePath === undefined) {
  console.log(
    'there is no Chromium here: install the chromium package to test the drift report in a browser',
  );
}

describe.skipIf(executablePath === undefined)('the report of simulate:drift, in a browser', () => {
  let folder: string;
  let browser: Browser;
  let told: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quorlock-report-'));
    const args = ['--import', 'tsx', 'scripts/simulate-drift.ts', '--quick', '--out', folder];
    told = (await run(process.execPath, args, { cwd: root, maxBuffer: 2 ** 26 })).stdout;
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: ['--no-sandbox'] });
  }, 300_000);

  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (width: number) => openReport(browser, join(folder, 'index.html'), width, 'drift');

  it('agrees with theory, says the threshold, and keeps the numbers as CSV', async () => {
    expect(told).toMatch(/All \d+ numbers that theory predicts agree with it/);
    expect(told).toMatch(
      /no lock overlapped up to a relative clock error of 1\.\d+ %\. Theory says 1\.\d+ %/,
    );
    const csv = await readFile(join(folder, 'results.csv'), 'utf8');
    const [head = '', ...rows] = csv.trim().split('\n');
    expect(rows.length).toBeGreaterThan(100);
    // A field with a comma in it is quoted.
    const fieldsOf = (line: string) => line.match(/("[^"]*"|[^,]*)(,|$)/g)?.slice(0, -1) ?? [];
    for (const row of rows) expect(fieldsOf(row)).toHaveLength(fieldsOf(head).length);
  });

  it('asks for nothing from elsewhere', async () => {
    const page = await browser.newPage();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(pathToFileURL(join(folder, 'index.html')).href);
    expect(asked.filter((url) => !url.startsWith('file:') && !url.startsWith('data:'))).toEqual([]);
    await page.close();
  });

  describe.each([1280, 400])('%i pixels wide', (width) => {
    it('does not overflow, and draws every chart inside of its own box', async () => {
      const page = await open(width);
      const widths = await page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        return { scrollWidth, clientWidth };
      });
      expect(widths.scrollWidth).toBeLessThanOrEqual(widths.clientWidth);
      expect(await textOutside(page)).toEqual([]);
      await page.close();
    });

    it('has axes with labels and ticks, and a legend, that can be read', async () => {
      const page = await open(width);
      const charts = await chartsOf(page);
      expect(charts.length).toBeGreaterThan(5);
      for (const { id, x, y, labels, legend, smallest } of charts) {
        expect(x, `ticks on the x axis of ${id}`).toBeGreaterThan(2);
        expect(y, `ticks on the y axis of ${id}`).toBeGreaterThan(2);
        expect(labels, `labels of ${id}`).toHaveLength(2);
        expect(legend, `legend of ${id}`).toBeGreaterThan(0);
        expect(smallest, `text of ${id}`).toBeGreaterThanOrEqual(READABLE_PX);
      }
      await page.close();
    });
  });
});
