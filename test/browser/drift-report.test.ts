/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium } from './chromium.ts';

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

  async function open(width: number): Promise<Page> {
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    await page.goto(pathToFileURL(join(folder, 'index.html')).href);
    const { QUORLOCK_SCREENSHOTS: screenshots } = process.env;
    if (screenshots !== undefined) {
      await page.screenshot({ path: join(screenshots, `drift-${width}.png`), fullPage: true });
    }
    return page;
  }

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

  it('goes on from what was measured before', async () => {
    const args = ['--import', 'tsx', 'scripts/simulate-drift.ts', '--quick', '--out', folder];
    const { stdout } = await run(process.execPath, args, { cwd: root, maxBuffer: 2 ** 26 });
    expect(stdout).toMatch(/(\d+) points from seed 1, \1 of them known from before/);
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
      const outside = await page.evaluate(() =>
        [...document.querySelectorAll('figure.chart .drawing svg')]
          .filter((svg) => svg.getBoundingClientRect().width > 0)
          .flatMap((svg) => {
            const box = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('text')].flatMap((text) => {
              const { left, right, top, bottom } = text.getBoundingClientRect();
              const isInside =
                left >= box.left - 1 &&
                right <= box.right + 1 &&
                top >= box.top - 1 &&
                bottom <= box.bottom + 1;
              return isInside ? [] : [`${text.textContent} of ${svg.getAttribute('aria-label')}`];
            });
          }),
      );
      expect(outside).toEqual([]);
      await page.close();
    });

    it('has axes with labels and ticks, and a legend, that can be read', async () => {
      const page = await open(width);
      const charts = await page.evaluate(() =>
        [...document.querySelectorAll('figure.chart')].map((figure) => {
          const svg = [...figure.querySelectorAll('.drawing svg')].find(
            (each) => each.getBoundingClientRect().width > 0,
          );
          const textsOf = (part: string) =>
            [...(svg?.querySelectorAll(`[aria-label="${part}"] text`) ?? [])].map(
              (text) => text.textContent ?? '',
            );
          const heights = [...(svg?.querySelectorAll('text') ?? [])].map(
            (text) => text.getBoundingClientRect().height,
          );
          return {
            id: figure.id,
            x: textsOf('x-axis tick label').length,
            y: textsOf('y-axis tick label').length,
            labels: [...textsOf('x-axis label'), ...textsOf('y-axis label')].filter((text) => text !== ''),
            legend: figure.querySelectorAll('.legend li').length,
            smallest: Math.min(...heights),
          };
        }),
      );
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
