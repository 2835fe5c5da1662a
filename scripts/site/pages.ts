import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

/** Where a page of the repository stands on the site. Pages of docs stand at its root, as they are. */
const MOVED: Readonly<Record<string, string>> = {
  'README.md': 'index.md',
  'README-zh-CN.md': 'zh/index.md',
};

/** Files that pages show, or lead to. */
const ASSETS = ['bench.svg', 'bench.json', 'grafana-dashboard.json'];

/** Writes the pages of the repository as the site has them. */
export function writePages(root: string, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  const { repository } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly repository: { readonly url: string };
  };
  const elsewhere = `${repository.url.replace(/^git\+|\.git$/g, '')}/blob/main/`;
  const names = readdirSync(join(root, 'docs'));
  const pages = names.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`);
  for (const path of [...Object.keys(MOVED), ...pages]) {
    const target = join(folder, placeOf(path));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, withLinks(readFileSync(join(root, path), 'utf8'), path, elsewhere));
  }
  for (const name of ASSETS.filter((asset) => names.includes(asset))) {
    cpSync(join(root, 'docs', name), join(folder, 'public', name), { recursive: true });
  }
}

/** Where a page of the repository stands on the site. */
function placeOf(path: string): string {
  return MOVED[path] ?? posix.relative('docs', path);
}

/** A page whose links lead to where things are from the site. What is not on the site is in the repository. */
export function withLinks(text: string, path: string, elsewhere: string): string {
  // Code is left alone.
  return text
    .split(/(^```.*?^```$|`[^`\n]*`)/ms)
    .map((part, index) =>
      index % 2 === 1
        ? part
        : part.replaceAll(/\]\(([^)\s]+)\)/g, (_, link: string) => `](${linkFrom(path, link, elsewhere)})`),
    )
    .join('');
}

function linkFrom(path: string, link: string, elsewhere: string): string {
  if (/^(?:https?:|#)/.test(link)) return link;
  const [file = '', anchor] = link.split('#');
  const target = posix.join(posix.dirname(path), file);
  const hash = anchor === undefined ? '' : `#${anchor}`;
  if (posix.dirname(target) === 'docs' && ASSETS.includes(posix.basename(target)))
    return `/${posix.basename(target)}`;
  if (MOVED[target] === undefined && posix.dirname(target) !== 'docs') return `${elsewhere}${target}${hash}`;
  const place = posix.relative(posix.dirname(placeOf(path)), placeOf(target));
  return `${place.startsWith('.') ? '' : './'}${place}${hash}`;
}
