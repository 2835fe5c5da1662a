import { readdirSync } from 'node:fs';
import { defineConfig } from 'vitepress';

/** The anchor of a heading, as on the pages of the repository. */
const slugify = (heading) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-');

const page = ([text, name]) => ({ text, link: `/${name}` });
const group = (text, ...pages) => ({ text, items: pages.map(page) });

const sidebar = [
  group(
    'Begin',
    ['What it is', ''],
    ['Quick start', 'quick-start'],
    ['Recipes', 'recipes'],
    ['A leader', 'leader'],
    ['Moving from another library', 'migrating'],
  ),
  group(
    'Reference',
    ['Calls', 'api'],
    ['Read-write locks, semaphores', 'sharing'],
    ['Options', 'options'],
    ['Errors and warnings', 'errors'],
    ['Clients', 'clients'],
  ),
  group('Understand', ['Waiting', 'waiting'], ['Fencing', 'fencing'], ['Guarantees', 'guarantees']),
  group(
    'Failures',
    ['Programs', 'failures'],
    ['Clocks', 'failures-clocks'],
    ['Memory of nodes', 'failures-memory'],
    ['Commands and extensions', 'failures-commands'],
    ['Votes and lists of nodes', 'failures-nodes'],
  ),
  group(
    'Operate',
    ['Servers', 'servers'],
    ['Running it', 'running-it'],
    ['The command', 'command'],
    ['Observing', 'observing'],
    ['Performance', 'performance'],
    ['More locks', 'scaling'],
  ),
  group('Test', ['Your own program', 'testing'], ['Chaos', 'chaos']),
  group('Contribute', ['Design', 'design']),
];

const written = readdirSync(new URL('../pages/', import.meta.url))
  .filter((name) => name.endsWith('.md'))
  .map((name) => (name === 'index.md' ? '/' : `/${name.slice(0, -3)}`));

const named = new Set(sidebar.flatMap(({ items }) => items.map(({ link }) => link)));
const others = written.filter((link) => !named.has(link)).map((link) => link.slice(1));
if (others.length > 0) sidebar.push(group('More', ...others.map((name) => [name, name])));
for (const part of sidebar) part.items = part.items.filter(({ link }) => written.includes(link));

const chinese = {
  label: '简体中文',
  lang: 'zh-CN',
  themeConfig: {
    nav: [{ text: '文档（英文）', link: '/quick-start' }],
    outline: { label: '本页内容' },
    docFooter: { prev: '上一页', next: '下一页' },
    darkModeSwitchLabel: '外观',
    sidebarMenuLabel: '目录',
    returnToTopLabel: '回到顶部',
  },
};

const searchInChinese = {
  translations: {
    button: { buttonText: '搜索', buttonAriaLabel: '搜索' },
    modal: {
      noResultsText: '没有结果',
      resetButtonTitle: '清除',
      footer: { selectText: '选择', navigateText: '切换', closeText: '关闭' },
    },
  },
};

export default defineConfig({
  title: 'quorlock',
  description: 'A Redlock for Node.js over independent Redis masters, with fencing tokens.',
  srcDir: 'pages',
  outDir: 'dist',
  cacheDir: '.vitepress/cache',
  cleanUrls: true,
  markdown: { anchor: { slugify }, headers: { slugify } },
  locales: { root: { label: 'English', lang: 'en' }, zh: chinese },
  themeConfig: {
    nav: [page(['Quick start', 'quick-start']), page(['Calls', 'api']), page(['Guarantees', 'guarantees'])],
    sidebar: { '/': sidebar, '/zh/': sidebar },
    outline: [2, 3],
    search: { provider: 'local', options: { locales: { zh: searchInChinese } } },
  },
});
