/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';

/** Opens a report. A screenshot of it is kept in the folder that QUORLOCK_SCREENSHOTS names. */
export async function openReport(
  browser: Browser,
  path: string,
  width: number,
  name?: string,
): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height: 900 } });
  await page.goto(pathToFileURL(path).href);
  const { QUORLOCK_SCREENSHOTS: screenshots } = process.env;
  if (screenshots !== undefined) {
    const file = `${name ?? basename(path, '.html')}-${width}.png`;
    await page.screenshot({ path: join(screenshots, file), fullPage: true });
  }
  return page;
}

/** Texts of charts that are not inside of the chart's own box. */
export function textOutside(page: Page): Promise<string[]> {
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
export function chartsOf(page: Page) {
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
