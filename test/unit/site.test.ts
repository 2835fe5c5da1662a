import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withLinks, writePages } from '../../scripts/site/pages.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('the pages of the site', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'quorlock-site-'));
    writePages(root, folder);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are the READMEs of both languages and all of docs', () => {
    const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
    const written = readdirSync(folder, { recursive: true }).map(String);
    expect(written).toEqual(expect.arrayContaining(['index.md', join('zh', 'index.md'), ...pages]));
  });

  it('lead to each other, and to the repository for all else', () => {
    for (const page of ['index.md', join('zh', 'index.md'), 'api.md', 'design.md', 'performance.md']) {
      const text = readFileSync(join(folder, page), 'utf8').replaceAll(/^```.*?^```/gms, '');
      for (const [, link = ''] of text.matchAll(/\]\(([^)#\s]+)/g)) {
        if (/^https:\/\/github\.com\/quorlock\/quorlock\/blob\/main\/[\w.]+$/.test(link)) continue;
        const path = link.startsWith('/') ? join('public', link) : join(dirname(page), link);
        expect(() => readFileSync(join(folder, path)), `${page}: ${link}`).not.toThrow();
      }
    }
  });
});

describe('a link', () => {
  it.each([
    ['README.md', '[a](docs/api.md#lock)', '[a](./api.md#lock)'],
    ['README.md', '[a](README-zh-CN.md)', '[a](./zh/index.md)'],
    ['README-zh-CN.md', '[a](docs/api.md)', '[a](../api.md)'],
    ['docs/api.md', '[a](options.md)', '[a](./options.md)'],
    ['docs/api.md', '[a](#lock)', '[a](#lock)'],
    ['docs/design.md', '[a](../CONTRIBUTING.md)', '[a](https://host/CONTRIBUTING.md)'],
    ['README.md', '![a](docs/bench.svg)', '![a](/bench.svg)'],
    ['README.md', '`[a](docs/api.md)`', '`[a](docs/api.md)`'],
  ])('of %s: %s', (path, text, expected) => {
    expect(withLinks(text, path, 'https://host/')).toBe(expected);
  });
});
