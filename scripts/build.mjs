// Builds dist/: the code as CommonJS, an ES module for each entry that hands the same objects on, and their types.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseSync } from 'oxc-parser';
import { rolldown } from 'rolldown';
import { extract, removeComments, withDeclarations } from './build/declarations.mjs';
import { DRIVERS, ENTRIES, PROGRAMS, ROOT } from './build/entries.mjs';

const DIST = join(ROOT, 'dist');

/** Has the modules that read a folder's scripts hold them instead: beside a bundled program there are no files. */
const holdScripts = {
  name: 'hold-scripts',
  load(id) {
    if (basename(id) !== 'lua-files.ts') return null;
    const lua = join(dirname(id), 'lua');
    const files = readdirSync(lua).filter((file) => file.endsWith('.lua'));
    // The library leaves comments out of what it sends to nodes, see src/wire/scripts.ts. A guard's script is sent as it is.
    const isSentWhole = basename(dirname(id)) !== 'wire';
    const texts = files.map((file) => {
      const text = readFileSync(join(lua, file), 'utf8');
      return [basename(file, '.lua'), isSentWhole ? text : text.replace(/^ *--(?!\[).*\n|^ +/gm, '')];
    });
    return `const TEXTS = ${JSON.stringify(Object.fromEntries(texts))};
      export const textOf = (name) => TEXTS[name];`;
  },
};

/**
 * How a driver is loaded, which the program installs or does not. It is required, since Jest has no import() in CommonJS;
 * and imported where require() is none, as in an ES module that a bundler made. A bundler takes what is tried for
 * something that may be missing.
 */
const loading = (name) => `(async () => {
  try {
    return require("${name}");
  } catch (fault) {
    try {
      return await import("${name}");
    } catch (other) {
      throw fault.code === undefined ? other : fault;
    }
  }
})()`;

/**
 * Asks Node.js itself for what is a part of it, since require() is not everywhere. For node:crypto it asks when that is
 * used: to load it takes a third of what the package takes.
 */
const builtin = (name, program) => {
  const part = `${program}.getBuiltinModule("${name}")`;
  return name === 'node:crypto' ? `new Proxy({}, { get: (_, name) => ${part}[name] })` : part;
};

const withoutRequire = {
  name: 'without-require',
  renderChunk: (code) => {
    // Where node:process is asked for, that may be what `process` means.
    const program = code.includes('require("node:process")') ? 'globalThis.process' : 'process';
    return code
      .replaceAll(/\brequire\("(node:[\w/]+)"\)/g, (_, name) => builtin(name, program))
      .replaceAll(/\bimport\("([^."][^"]*)"\)/g, (_, name) => loading(name));
  },
};

/** The license of a package whose module became part of this one. */
function licenseOf(id) {
  const [, folder, name] = /^(.*node_modules\/([^/]+))\//.exec(id) ?? [];
  if (folder === undefined) return [];
  const license = readdirSync(folder).find((file) => /^license$/i.test(file));
  return [`${name}\n\n${readFileSync(join(folder, license), 'utf8')}`];
}

/** Where a line may end: before what stands in a list of statements, members, properties or expressions. */
const LISTS = ['body', 'consequent', 'expressions', 'properties', 'declarations', 'elements', 'arguments'];

/** A line ends before what makes it longer than this. What can't be parted, as a text, may be longer. */
const LINE = 120;

/** Code in short lines: an error that a program does not catch shows its line, and a stack the line's number. */
function inLines(path, code) {
  const breaks = [];
  const visit = (node) => {
    for (const [name, child] of Object.entries(node)) {
      if (typeof child !== 'object' || child === null) continue;
      // A text with expressions in it has no place for a line's end between them.
      if (Array.isArray(child) && LISTS.includes(name) && node.type !== 'TemplateLiteral')
        for (const item of child.slice(node.type === 'Program' ? 0 : 1))
          if (item !== null) breaks.push(item.start);
      visit(child);
    }
  };
  visit(parseSync(path, code).program);
  breaks.sort((one, other) => one - other);
  let text = '';
  let begin = 0;
  breaks.forEach((at, index) => {
    const next = breaks[index + 1] ?? code.length;
    if (next - begin <= LINE || at === begin) return;
    text += `${code.slice(begin, at)}\n`;
    begin = at;
  });
  return text + code.slice(begin);
}

async function buildCode() {
  const input = Object.fromEntries(
    [...ENTRIES, ...PROGRAMS].map(({ name, path }) => [name, join(ROOT, 'src', `${path}.ts`)]),
  );
  const bundle = await rolldown({
    input,
    platform: 'node',
    // Parts of Node.js, and drivers, which the program installs. Other packages become part of this one.
    external: [/^node:/, ...DRIVERS],
    transform: { target: 'node20' },
    plugins: [holdScripts, withoutRequire],
  });
  const { output } = await bundle.generate({
    format: 'cjs',
    exports: 'named',
    entryFileNames: '[name].cjs',
    chunkFileNames: 'chunks/[name].cjs',
    comments: false,
    // The names of functions stay: a stack shows them.
    minify: {
      compress: { keepNames: { function: true, class: true } },
      mangle: { keepNames: true },
    },
  });
  await bundle.close();
  mkdirSync(join(DIST, 'chunks'), { recursive: true });
  for (const { fileName, code } of output) {
    const short = inLines(fileName, code);
    const isCommand = PROGRAMS.some(({ name, isCommand }) => isCommand && fileName === `${name}.cjs`);
    writeFileSync(join(DIST, fileName), isCommand ? `#!/usr/bin/env node\n${short}` : short);
  }
  const licenses = new Set(output.flatMap(({ moduleIds }) => moduleIds.flatMap(licenseOf)));
  writeFileSync(join(DIST, 'LICENSES.txt'), [...licenses].join('\n\n'));
  for (const { isEntry, name, exports } of output) {
    if (!isEntry || PROGRAMS.some((program) => program.name === name)) continue;
    const named = exports.filter((each) => each !== 'default');
    const lines = named.map((each) => `export const ${each} = entry.${each};`);
    // Bundlers differ in what the default of a CommonJS module with a default of its own is.
    const isFace = named.length < exports.length;
    if (isFace) lines.push('export default entry.Redlock;');
    const module = [`import ${isFace ? '* as ' : ''}entry from './${name}.cjs';`, ...lines, ''];
    writeFileSync(join(DIST, `${name}.mjs`), module.join('\n'));
  }
}

/** The names that a file of declarations exports. */
function exportsOf(path) {
  const { module } = parseSync(path, readFileSync(path, 'utf8'));
  return module.staticExports.flatMap(({ entries }) =>
    entries.map(({ exportName }) => exportName.name ?? 'default'),
  );
}

/**
 * One file declares what all entries export, and no more of the internals than that needs. A class that two entries have
 * is so one type, however a program imports it. Its name is that of the first entry; another entry's own has a suffix.
 */
function buildTypes(folder) {
  removeComments(join(folder, 'testing'));
  const taken = new Set();
  const entries = ENTRIES.map(({ name, path }) => {
    const exported = exportsOf(join(folder, `${path}.d.ts`));
    const names = exported
      .filter((each) => each !== 'default')
      .map((each) => ({
        exported: each,
        declared: taken.has(each) ? `${each}_${name}` : each,
      }));
    for (const { declared } of names) taken.add(declared);
    return { name, path, names, isFace: names.length < exported.length };
  });
  const list = (names, from, to) =>
    names.map((each) => (each[from] === each[to] ? each[to] : `${each[from]} as ${each[to]}`)).join(', ');
  const all = entries.map(
    ({ path, names }) => `export { ${list(names, 'exported', 'declared')} } from './${path}.ts';\n`,
  );
  writeFileSync(join(folder, 'all.d.ts'), all.join(''));
  mkdirSync(DIST, { recursive: true });
  extract(folder, 'all.d.ts', {
    dtsRollup: { enabled: true, untrimmedFilePath: join(DIST, 'types.d.cts') },
  });
  const types = join(DIST, 'types.d.cts');
  writeFileSync(
    types,
    readFileSync(types, 'utf8').replaceAll(/^(?: {4})+/gm, (indent) => '\t'.repeat(indent.length / 4)),
  );
  for (const { name, names, isFace } of entries) {
    const [face] = names.filter(({ exported }) => exported === 'Redlock');
    const lists = [list(names, 'declared', 'exported'), ...(isFace ? [`${face?.declared} as default`] : [])];
    writeFileSync(
      join(DIST, `${name}.d.cts`),
      `export { ${lists.join(', ')} } from './types.cjs';
`,
    );
    const named = `export * from './${name}.cjs';
`;
    const module = isFace
      ? `${named}export { Redlock as default } from './${name}.cjs';
`
      : named;
    writeFileSync(join(DIST, `${name}.d.mts`), module);
  }
}

rmSync(DIST, { recursive: true, force: true });
withDeclarations(buildTypes);
await buildCode();
