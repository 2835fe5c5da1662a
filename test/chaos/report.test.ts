/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import type { ReportData, Span } from '../../scripts/faults/fleet/report/format.ts';
import { describeReport } from '../browser/report-page.ts';

describeReport(
  'chaos.ts',
  ['--fault', 'random', '--seed', '5', '--seconds', '10'],
  'index.html',
  (report) => {
    let data: ReportData;

    beforeAll(() => {
      // Whether everything held is the matter of another test.
      expect([0, 1]).toContain(report.ended.code);
      data = JSON.parse(readFileSync(report.path('chaos.json'), 'utf8'));
    });

    async function open(): Promise<Page> {
      const page = await report.open('index.html', { viewport: { width: 1280, height: 900 } });
      await page.waitForSelector('#timeline svg .span');
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

    it('has a lane for each node and each worker, and says on top what came of the run', async () => {
      const page = await open();
      const names = await page.locator('#timeline .names text.lane').allTextContents();
      expect(names).toEqual(data.lanes.map(({ name }) => name));
      expect(names.filter((name) => name.startsWith('node'))).toHaveLength(5);
      expect(names.filter((name) => name.startsWith('worker')).length).toBeGreaterThan(2);
      expect(await page.locator('.verdict').textContent()).toContain(
        data.holds ? 'Every promise held' : 'A promise was broken',
      );
      expect(await page.locator('#timeline .fault').count()).toBe(data.faults.length);
    });

    it('shows in every lane what was logged, and nothing else', async () => {
      const page = await open();
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
    });

    it('puts spans where their time is', async () => {
      const page = await open();
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
    });

    it('shows the token of a hold under the pointer', async () => {
      const page = await open();
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
    });

    it('zooms in, moves along, and goes back to all of it', async () => {
      const page = await open();
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
    });
  },
);
