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
import type { ReportData, Span } from '../../scripts/faults/fleet/report/format.ts';
import { findChromium } from '../browser/chromium.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');

const executablePath = findChromium();
if (executablePath === undefined) {
  console.log(
    'there is no Chromium here: install the chromium package to test the chaos report in a browser',
  );
}

describe.skipIf(executablePath === undefined)('the report of chaos, in a browser', () => {
  let folder: string;
  let browser: Browser;
  let data: ReportData;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quorlock-report-'));
    const options = ['--fault', 'random', '--seed', '5', '--seconds', '10', '--out', folder];
    // Whether everything held is the matter of another test.
    await run(process.execPath, ['--import', 'tsx', 'scripts/chaos.ts', ...options], { cwd: root }).catch(
      (error: { readonly code?: number }) => {
        if (error.code !== 1) throw error;
      },
    );
    data = JSON.parse(await readFile(join(folder, 'chaos.json'), 'utf8')) as ReportData;
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: ['--no-sandbox'] });
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function open(width: number, asked: string[] = []): Promise<Page> {
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    page.on('request', (request) => asked.push(request.url()));
    page.on('pageerror', (error) => {
      throw error;
    });
    await page.goto(pathToFileURL(join(folder, 'index.html')).href);
    await page.waitForSelector('#timeline svg .span');
    const { QUORLOCK_SCREENSHOTS: screenshots } = process.env;
    if (screenshots !== undefined) {
      await page.screenshot({ path: join(screenshots, `chaos-${width}.png`), fullPage: true });
    }
    return page;
  }

  /** What is drawn: every span with its lane and row. */
  const drawn = (page: Page) =>
    page.evaluate(() =>
      [...document.querySelectorAll<SVGRectElement>('#timeline .span')].map(({ dataset }) => {
        const { lane = '', row = '', state = '', from, to, token } = dataset;
        return { lane, row, state, from: Number(from), to: Number(to), token };
      }),
    );

  const loggedAs = (lane: string, row: string): readonly Span[] =>
    data.lanes.find(({ name }) => name === lane)?.rows.find(({ name }) => name === row)?.spans ?? [];

  it('asks for nothing from elsewhere', async () => {
    const asked: string[] = [];
    const page = await open(1280, asked);
    expect(asked.filter((url) => !url.startsWith('file:') && !url.startsWith('data:'))).toEqual([]);
    await page.close();
  });

  it('has a lane for each node and each worker, and says on top what came of the run', async () => {
    const page = await open(1280);
    const names = await page.locator('#timeline .names text.lane').allTextContents();
    expect(names).toEqual(data.lanes.map(({ name }) => name));
    expect(names.filter((name) => name.startsWith('node'))).toHaveLength(5);
    expect(names.filter((name) => name.startsWith('worker')).length).toBeGreaterThan(2);
    expect(await page.locator('.verdict').textContent()).toContain(
      data.holds ? 'Every promise held' : 'A promise was broken',
    );
    expect(await page.locator('#timeline .fault').count()).toBe(data.faults.length);
    await page.close();
  });

  it('shows in every lane what was logged, and nothing else', async () => {
    const page = await open(1280);
    const spans = await drawn(page);
    expect(spans.length).toBeGreaterThan(50);
    for (const { lane, row, state, from, to, token } of spans) {
      const same = loggedAs(lane, row).some(
        (span) =>
          span.state === state &&
          span.from === from &&
          span.to === to &&
          String(span.token ?? '') === (token ?? ''),
      );
      expect(same, `${state} from ${from} to ${to} in ${lane} ${row}`).toBe(true);
    }
    // What is long enough to be seen is there.
    const seen = new Set(spans.map(({ lane, row, from, state }) => `${lane} ${row} ${from} ${state}`));
    const missing = data.lanes.flatMap(({ name, rows }) =>
      rows.flatMap((row) =>
        row.spans
          .filter(({ from, to }) => to - from > 50 && from < data.durationMs)
          .map(({ from, state }) => `${name} ${row.name} ${from} ${state}`)
          .filter((span) => !seen.has(span)),
      ),
    );
    expect(missing).toEqual([]);
    await page.close();
  });

  it('puts spans where their time is', async () => {
    const page = await open(1280);
    const places = await page.evaluate(() =>
      [...document.querySelectorAll<SVGRectElement>('#timeline .span')].map(({ dataset, x }) => {
        const { from } = dataset;
        return { from: Number(from), left: x.baseVal.value };
      }),
    );
    const sorted = places.toSorted((a, b) => a.from - b.from || a.left - b.left);
    for (const [index, { left }] of sorted.entries()) {
      expect(left).toBeGreaterThanOrEqual((sorted[index - 1]?.left ?? 0) - 0.001);
    }
    await page.close();
  });

  it('shows the token of a hold under the pointer', async () => {
    const page = await open(1280);
    await page.click('#zoom-in');
    // Of those that lie wholly in the part that is shown, and are not covered where the pointer will be: a holder that was
    // stopped lies above its hold.
    const hold = await page.evaluate(() => {
      const shown = document.querySelector('#timeline')?.getBoundingClientRect();
      const place = (span: SVGRectElement) => {
        span.scrollIntoView({ block: 'center' });
        const { left, right, top, bottom, width } = span.getBoundingClientRect();
        return { left, right, width, x: (left + right) / 2, y: (top + bottom) / 2 };
      };
      const holds = [...document.querySelectorAll<SVGRectElement>('#timeline .span')].filter((span) => {
        const { state } = span.dataset;
        if (state !== 'holding' || shown === undefined) return false;
        const { left, right, x, y } = place(span);
        const isShown = left >= shown.left + 200 && right <= shown.right - 20;
        return isShown && document.elementFromPoint(x, y) === span;
      });
      const [longest] = holds.toSorted((one, other) => place(other).width - place(one).width);
      if (longest === undefined) return undefined;
      const { token } = longest.dataset;
      return { token, ...place(longest) };
    });
    expect(hold?.token).toMatch(/^\d+$/);
    await page.mouse.move(hold?.x ?? 0, hold?.y ?? 0);
    const tip = page.locator('.tip');
    expect(await tip.isVisible()).toBe(true);
    expect(await tip.textContent()).toContain(`token ${hold?.token}`);
    await page.mouse.move(2, 2);
    expect(await tip.isVisible()).toBe(false);
    await page.close();
  });

  it('zooms in, moves along, and goes back to all of it', async () => {
    const page = await open(1280);
    const reach = async () => {
      const spans = (await drawn(page)).filter(({ lane }) => lane.startsWith('worker'));
      return [Math.min(...spans.map(({ from }) => from)), Math.max(...spans.map(({ to }) => to))] as const;
    };
    const all = await reach();
    for (let times = 0; times < 3; times += 1) await page.click('#zoom-in');
    const near = await reach();
    expect(near[0]).toBeGreaterThan(all[0]);
    expect(near[1]).toBeLessThan(all[1]);
    await page.focus('#timeline');
    for (let times = 0; times < 4; times += 1) await page.keyboard.press('ArrowRight');
    expect((await reach())[1]).toBeGreaterThan(near[1]);
    await page.click('#zoom-all');
    expect(await reach()).toEqual(all);
    await page.close();
  });

  it.each([1280, 420])('does not overflow at %i pixels', async (width) => {
    const page = await open(width);
    const { scrollWidth, clientWidth } = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      return { scrollWidth, clientWidth };
    });
    expect(scrollWidth).toBeLessThanOrEqual(clientWidth);
    await page.close();
  });
});
