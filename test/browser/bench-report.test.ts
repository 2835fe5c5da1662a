/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
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
const executablePath = findChromium();
if (executablePath === undefined) {
  console.log(
    'there is no Chromium here: install the chromium package to test the bench report in a browser',
  );
}

describe.skipIf(executablePath === undefined)('the report of bench, in a browser', () => {
  let folder: string;
  let browser: Browser;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quorlock-report-'));
    await copyFile(join(root, 'docs', 'bench.json'), join(folder, 'bench.json'));
    const args = ['--import', 'tsx', 'scripts/bench.ts', 'report', '--draw', '--out', folder];
    await run(process.execPath, args, { cwd: root, maxBuffer: 2 ** 26 });
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: ['--no-sandbox'] });
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('is what the README shows', async () => {
    expect(await readFile(join(folder, 'bench.svg'), 'utf8')).toBe(
      await readFile(join(root, 'docs', 'bench.svg'), 'utf8'),
    );
  });

  it('asks for nothing from elsewhere', async () => {
    const page = await browser.newPage();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(pathToFileURL(join(folder, 'bench.html')).href);
    expect(asked.filter((url) => !url.startsWith('file:') && !url.startsWith('data:'))).toEqual([]);
    await page.close();
  });

  describe.each([1280, 400])('%i pixels wide', (width) => {
    it('does not overflow, and draws every chart inside of its own box', async () => {
      const page = await openReport(browser, join(folder, 'bench.html'), width);
      const widths = await page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        return { scrollWidth, clientWidth };
      });
      expect(widths.scrollWidth).toBeLessThanOrEqual(widths.clientWidth);
      expect(await textOutside(page)).toEqual([]);
      await page.close();
    });

    it('has axes with labels and ticks, and a legend, that can be read', async () => {
      const page = await openReport(browser, join(folder, 'bench.html'), width);
      const charts = await chartsOf(page);
      expect(charts.map(({ id }) => id)).toEqual(['rate', 'p50', 'alone', 'client', 'jain', 'held']);
      for (const { id, x, y, labels, legend, smallest } of charts) {
        expect(x, `ticks on the x axis of ${id}`).toBeGreaterThan(2);
        expect(y, `ticks on the y axis of ${id}`).toBeGreaterThan(2);
        expect(labels, `labels of ${id}`).toHaveLength(2);
        expect(legend, `legend of ${id}`).toBeGreaterThan(1);
        expect(smallest, `text of ${id}`).toBeGreaterThanOrEqual(9);
      }
      await page.close();
    });
  });

  it.each(['light', 'dark'] as const)('is an image that can be read on %s ground', async (colorScheme) => {
    const page = await browser.newPage({ viewport: { width: 600, height: 800 }, colorScheme });
    await page.goto(pathToFileURL(join(folder, 'bench.svg')).href);
    const { QUORLOCK_SCREENSHOTS: screenshots } = process.env;
    if (screenshots !== undefined) {
      await page.screenshot({ path: join(screenshots, `bench-svg-${colorScheme}.png`) });
    }
    const [ground, ink] = await page.evaluate(() =>
      ['rect', 'text'].map((tag) => getComputedStyle(document.querySelector(tag) ?? document.body).fill),
    );
    const lightness = (rgb = '') => Math.max(...(rgb.match(/\d+/g) ?? []).map(Number));
    if (colorScheme === 'light') expect(lightness(ground)).toBeGreaterThan(lightness(ink) + 128);
    else expect(lightness(ink)).toBeGreaterThan(lightness(ground) + 128);
    await page.close();
  });
});
