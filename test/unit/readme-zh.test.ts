import { access, readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');

let english: string;
let chinese: string;
beforeAll(async () => {
  [english, chinese] = await Promise.all([read('README.md'), read('README-zh-CN.md')]);
});

describe('README-zh-CN.md is README.md in Chinese', () => {
  it('with the same headings, in the same order and of the same levels', () => {
    expect(headingsOf(chinese).map(({ level }) => level)).toEqual(
      headingsOf(english).map(({ level }) => level),
    );
    // What is a name in one language is the same name in the other.
    const names = (page: string) => headingsOf(page).map(({ text }) => (text.startsWith('`') ? text : ''));
    expect(names(chinese)).toEqual(names(english));
  });

  it('with the same snippets, letter by letter', () => {
    expect(fencesOf(english).length).toBeGreaterThan(3);
    expect(fencesOf(chinese)).toEqual(fencesOf(english));
  });

  it('with the same tables, and the same code in every row', () => {
    expect(rowsOf(english).length).toBeGreaterThan(20);
    expect(rowsOf(chinese)).toEqual(rowsOf(english));
  });

  it('with the same links to files', () => {
    const files = (page: string) =>
      linksOf(page).filter((target) => !target.startsWith('#') && !target.startsWith('README'));
    expect(files(chinese).toSorted()).toEqual(files(english).toSorted());
  });

  it('with links to headings and files that exist, and one to the other language', async () => {
    const anchors = headingsOf(chinese).map(({ text }) => anchorOf(text));
    for (const target of linksOf(chinese)) {
      if (target.startsWith('#')) expect(anchors).toContain(target.slice(1));
      else await access(new URL(target, root));
    }
    expect(linksOf(chinese)).toContain('README.md');
    expect(linksOf(english)).toContain('README-zh-CN.md');
  });
});

/** The page without its snippets. */
function proseOf(page: string): string {
  return page.replaceAll(/```.*?```/gs, '');
}

function fencesOf(page: string): readonly string[] {
  return page.match(/```.*?```/gs) ?? [];
}

function headingsOf(page: string): readonly { readonly level: number; readonly text: string }[] {
  return [...proseOf(page).matchAll(/^(#+) (.*)$/gm)].map(([, marks = '', text = '']) => ({
    level: marks.length,
    text,
  }));
}

function linksOf(page: string): readonly string[] {
  return [...proseOf(page).matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target);
}

/** Of each row of a table, how many cells it has and what code stands in it. */
function rowsOf(page: string) {
  return [...proseOf(page).matchAll(/^\|.*\|$/gm)].map(([row]) => ({
    cells: row.split('|').length,
    code: row.match(/`[^`]+`/g)?.toSorted() ?? [],
  }));
}

/** The anchor that a heading gets. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-');
}
