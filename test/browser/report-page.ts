/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ended, runScript } from '../support/scripts.ts';
import { findChromium } from './chromium.ts';

/** The smallest text that can be read, in pixels. */
const READABLE_PX = 9;
const LONGEST_SCRIPT_MS = 300_000;

/** A report that a script has written. */
export class Report {
  folder = '';
  browser: Browser | undefined;
  /** What the script said. */
  ended: Ended = { code: 0, output: '' };

  path(file: string): string {
    return join(this.folder, file);
  }

  /** Opens a file of it. A screenshot is kept in the folder that QUORLOCK_SCREENSHOTS names. */
  async open(file: string, options: BrowserContextOptions, asked: string[] = []): Promise<Page> {
    if (this.browser === undefined) throw new Error('there is no browser');
    const page = await this.browser.newPage(options);
    page.on('request', (request) => asked.push(request.url()));
    page.on('pageerror', (error) => {
      throw error;
    });
    await page.goto(pathToFileURL(this.path(file)).href);
    const { QUORLOCK_SCREENSHOTS: screenshots } = process.env;
    if (screenshots !== undefined) {
      const name = [expect.getState().currentTestName, file].join(' ').replace(/\W+/g, '-');
      await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
    }
    return page;
  }
}

/**
 * Has a script write a report, and tests what holds of each page. Left out where there is no Chromium.
 *
 * @param prepare hears of the folder before
 * @param tests what is to be tested beside that
 */
export function describeReport(
  script: string,
  args: readonly string[],
  page: string,
  tests: (report: Report) => void,
  prepare: (folder: string) => Promise<void> = async () => undefined,
): void {
  const executablePath = findChromium();
  if (executablePath === undefined)
    console.log(`there is no Chromium here: install the chromium package to test the page of ${script}`);

  describe.skipIf(executablePath === undefined)(`the report of ${script}, in a browser`, () => {
    const report = new Report();

    beforeAll(async () => {
      report.folder = await mkdtemp(join(tmpdir(), 'quorlock-report-'));
      await prepare(report.folder);
      report.ended = await runScript(script, ...args, '--out', report.folder);
      report.browser = await chromium.launch({
        executablePath: executablePath ?? '',
        args: ['--no-sandbox'],
      });
    }, LONGEST_SCRIPT_MS);

    afterAll(async () => {
      await report.browser?.close();
      await rm(report.folder, { recursive: true, force: true });
    });

    it('asks for nothing from elsewhere', async () => {
      const asked: string[] = [];
      await report.open(page, {}, asked);
      expect(asked.filter((url) => !url.startsWith('file:') && !url.startsWith('data:'))).toEqual([]);
    });

    it.each([1280, 400])('does not overflow at %i pixels', async (width) => {
      const opened = await report.open(page, { viewport: { width, height: 900 } });
      const { scrollWidth, clientWidth } = await opened.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        return { scrollWidth, clientWidth };
      });
      expect(scrollWidth).toBeLessThanOrEqual(clientWidth);
    });

    tests(report);
  });
}

/** Tests the charts of a page. */
export function itHasReadableCharts(report: Report, file: string, ids: readonly string[]): void {
  it.each([1280, 400])('draws every chart inside of its own box, to be read, at %i pixels', async (width) => {
    const page = await report.open(file, { viewport: { width, height: 900 } });
    expect(await textOutside(page)).toEqual([]);
    const charts = await chartsOf(page);
    expect(charts.map(({ id }) => id)).toEqual(ids);
    for (const { id, x, y, labels, legend, smallest } of charts) {
      expect(x, `ticks on the x axis of ${id}`).toBeGreaterThan(2);
      expect(y, `ticks on the y axis of ${id}`).toBeGreaterThan(2);
      expect(labels, `labels of ${id}`).toHaveLength(2);
      expect(legend, `legend of ${id}`).toBeGreaterThan(1);
      expect(smallest, `text of ${id}`).toBeGreaterThanOrEqual(READABLE_PX);
    }
  });
}

/** Texts of charts that are not inside of the chart's own box. */
function textOutside(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('figure.chart .drawing svg')]
      .filter((svg) => svg.getBoundingClientRect().width > 0)
      .flatMap((svg) => {
        const box = svg.getBoundingClientRect();
        return [...svg.querySelectorAll('text')].flatMap((text) => {
          const { left, right, top, bottom } = text.getBoundingClientRect();
          const isInside =
            left >= box.left - 1 && right <= box.right + 1 && top >= box.top - 1 && bottom <= box.bottom + 1;
          return isInside ? [] : [`${text.textContent} of ${svg.getAttribute('aria-label')}`];
        });
      }),
  );
}

/** What every chart has that shows. */
function chartsOf(page: Page) {
  return page.evaluate(() =>
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
}
