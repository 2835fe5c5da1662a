import { join } from 'node:path';
import {
  BOTH,
  FACE_JEST_TEST,
  FACE_MODULE,
  FACE_SCRIPT,
  FACE_TYPED,
  HOLDS,
  JEST_TEST,
  MODULE,
  NEST,
  SCRIPT,
  TELEMETRY,
  TYPED,
  VITEST_TEST,
} from './programs.ts';
import type { Project } from './project.ts';

/** A way to run a program that uses the package. */
export interface Environment {
  readonly name: string;
  /** What its project needs besides the package and a driver. */
  readonly packages: readonly string[];
  /** The files of its project, by path. */
  readonly files: Readonly<Record<string, string>>;
  /** The driver that its project has. Default: ioredis. */
  readonly driver?: 'redis' | 'iovalkey' | '@valkey/valkey-glide' | 'none';
  /** What is run, one after the other; each is a row of the table. It throws if it fails, and returns a remark. */
  readonly steps: readonly Step[];
}

interface Step {
  readonly what: string;
  readonly run: (project: Project) => Promise<string>;
}

const PLATFORM = `${process.platform}-${process.arch}`;
const NODE_VERSIONS = ['20', '22', '24', '26'];
const NODE_PACKAGES = NODE_VERSIONS.map((version) => `node-${version}@npm:node-${PLATFORM}@${version}`);

/** As Node.js is before 20.19, in Jest, and on AWS Lambda: ES modules can't be required. */
const NO_REQUIRED_MODULES = '--no-experimental-require-module';

/**
 * The longest that an import may take, in milliseconds of processor time: other programs run too. On a slower machine it may
 * take this share of what Node.js takes to start, which is as much where Node.js 20 starts in 45 ms.
 */
const LONGEST_IMPORT = { ms: 15, ofStart: 1 / 3 };
/** So often it is measured, and so often at the most until once it took no longer. */
const IMPORTS = { least: 10, most: 60 };

const PROGRAMS = { 'main.mjs': MODULE, 'main.cjs': SCRIPT, 'both.mjs': BOTH };

/** A step that runs a program which prints that all went well. */
function holds(what: string, command: (project: Project) => readonly [string, ...string[]]): Step {
  return {
    what,
    run: async (project) => {
      const printed = await project.run(...command(project));
      if (!printed.includes(HOLDS)) throw new Error(`it printed: ${printed}`);
      return '';
    },
  };
}

function nodeOf(project: Project, version: string): string {
  return project.path('node_modules', `node-${version}`, 'bin', 'node');
}

/** A step for each program on each version of Node.js. */
function onNode(files: readonly string[]): readonly Step[] {
  return NODE_VERSIONS.flatMap((version) =>
    files.map((file) =>
      holds(`${version} ${file}, ${NO_REQUIRED_MODULES}`, (project) => [
        nodeOf(project, version),
        NO_REQUIRED_MODULES,
        file,
      ]),
    ),
  );
}

const node: Environment = {
  name: 'node',
  packages: NODE_PACKAGES,
  files: PROGRAMS,
  steps: onNode(Object.keys(PROGRAMS)),
};

const FACE_PROGRAMS = { 'main.mjs': FACE_MODULE, 'main.cjs': FACE_SCRIPT };

/** The entry with the calls of node-redlock. */
const face: Environment = {
  name: 'quorlock/redlock',
  packages: [...NODE_PACKAGES, 'jest@30', 'typescript@5.9', '@types/node@20'],
  files: {
    ...FACE_PROGRAMS,
    'face.test.js': FACE_JEST_TEST,
    'consumer.mts': FACE_TYPED,
    'consumer.cts': FACE_TYPED,
  },
  steps: [
    ...onNode(Object.keys(FACE_PROGRAMS)),
    passes('jest 30', 'jest/bin/jest.js'),
    passes(
      'TypeScript 5.9 nodenext',
      'typescript/bin/tsc',
      '--strict',
      '--noEmit',
      '--skipLibCheck',
      ...['--target', 'es2022', '--module', 'nodenext', '--types', 'node'],
      ...['consumer.mts', 'consumer.cts'],
    ),
  ],
};

/** How long the package takes to import in a process of its own, and how long it may: the least of several times. */
async function importMs(
  project: Project,
  version: string,
  statement: string,
): Promise<{ readonly ms: number; readonly longestMs: number }> {
  const kind = statement.startsWith('require') ? 'commonjs' : 'module';
  const program = `
    const before = process.cpuUsage();
    ${statement};
    const { user, system } = process.cpuUsage(before);
    console.log((before.user + before.system) / 1_000, (user + system) / 1_000)`;
  let startMs = Number.POSITIVE_INFINITY;
  let ms = Number.POSITIVE_INFINITY;
  const longestMs = () => Math.max(LONGEST_IMPORT.ms, startMs * LONGEST_IMPORT.ofStart);
  for (let times = 0; times < IMPORTS.least || (times < IMPORTS.most && ms > longestMs()); times += 1) {
    const said = await project.run(nodeOf(project, version), `--input-type=${kind}`, '--eval', program);
    const [start = 0, took = 0] = said.split(' ').map(Number);
    startMs = Math.min(startMs, start);
    ms = Math.min(ms, took);
  }
  return { ms, longestMs: longestMs() };
}

const time: Environment = {
  name: 'import',
  packages: NODE_PACKAGES,
  files: {},
  driver: 'none',
  steps: NODE_VERSIONS.flatMap((version) =>
    ["require('quorlock')", "await import('quorlock')"].map((statement) => ({
      what: `${version} ${statement}`,
      run: async (project) => {
        const { ms, longestMs } = await importMs(project, version, statement);
        const said = `${ms.toFixed(1)} ms`;
        if (ms > longestMs) throw new Error(`it took ${said}, more than ${longestMs.toFixed(1)} ms`);
        return said;
      },
    })),
  ),
};

const OVEN = `bun-${process.platform}-${process.arch === 'arm64' ? 'aarch64' : process.arch}`;

const bun: Environment = {
  name: 'bun',
  packages: [`@oven/${OVEN}`],
  files: PROGRAMS,
  steps: Object.keys(PROGRAMS).map((file) =>
    holds(file, (project) => [project.path('node_modules', '@oven', OVEN, 'bin', 'bun'), file]),
  ),
};

const deno: Environment = {
  name: 'deno',
  packages: ['deno'],
  files: PROGRAMS,
  steps: Object.keys(PROGRAMS).map((file) =>
    holds(file, (project) => [
      process.execPath,
      project.path('node_modules', 'deno', 'bin.cjs'),
      'run',
      '--allow-all',
      file,
    ]),
  ),
};

/** OpenTelemetry's own packages beside this one. */
const otel: Environment = {
  name: 'OpenTelemetry',
  packages: ['@opentelemetry/api@1', '@opentelemetry/sdk-metrics@2'],
  files: TELEMETRY,
  steps: Object.keys(TELEMETRY).map((file) => holds(file, () => [process.execPath, file])),
};

/** A step that runs a test runner; it fails by itself. */
function passes(what: string, ...[program, ...args]: readonly [string, ...string[]]): Step {
  return {
    what,
    run: async (project) => {
      await project.run(process.execPath, project.path('node_modules', program), ...args);
      return '';
    },
  };
}

const JEST = 'jest/bin/jest.js';

const jest: Environment = {
  name: 'jest 30',
  packages: ['jest@30'],
  files: { 'locks.test.js': JEST_TEST },
  steps: [passes('its defaults', JEST), passes('one process', JEST, '--runInBand', '--detectOpenHandles')],
};

const vitest: Environment = {
  name: 'vitest',
  packages: ['vitest'],
  files: {
    'locks.test.mjs': VITEST_TEST,
    'inlined.config.mjs': "export default { test: { server: { deps: { inline: ['quorlock'] } } } };",
  },
  steps: [
    passes('forks', 'vitest/vitest.mjs', 'run'),
    passes('threads', 'vitest/vitest.mjs', 'run', '--pool=threads'),
    passes('inlined', 'vitest/vitest.mjs', 'run', '--config=inlined.config.mjs'),
  ],
};

/** As `nest new` sets it up. */
const NEST_JEST = {
  moduleFileExtensions: ['js', 'json', 'ts'],
  rootDir: 'src',
  testRegex: '.*\\.spec\\.ts$',
  transform: { '^.+\\.(t|j)s$': 'ts-jest' },
  testEnvironment: 'node',
};

const NEST_COMPILER = {
  declaration: true,
  removeComments: true,
  emitDecoratorMetadata: true,
  experimentalDecorators: true,
  allowSyntheticDefaultImports: true,
  target: 'ES2023',
  sourceMap: true,
  outDir: './dist',
  incremental: true,
  skipLibCheck: true,
  strictNullChecks: true,
  types: ['node', 'jest'],
};

function nestjs(version: string, compiler: object): Environment {
  return {
    name: `ts-jest, NestJS ${version}`,
    packages: [
      ...['common', 'core', 'testing', 'platform-express'].map((part) => `@nestjs/${part}@${version}`),
      'reflect-metadata@0.2',
      'rxjs@7',
      'jest@30',
      'ts-jest@29',
      'typescript@5.9',
      '@types/jest@30',
      '@types/node@24',
    ],
    files: {
      ...NEST,
      'package.json': JSON.stringify({ private: true, jest: NEST_JEST }),
      'tsconfig.json': JSON.stringify({ compilerOptions: { ...NEST_COMPILER, ...compiler } }),
    },
    steps: [passes('test', JEST), passes('build', 'typescript/bin/tsc')],
  };
}

const nest11 = nestjs('11', {
  module: 'nodenext',
  moduleResolution: 'nodenext',
  resolvePackageJsonExports: true,
  esModuleInterop: true,
  isolatedModules: true,
});
const nest10 = nestjs('10', { module: 'commonjs', moduleResolution: 'node10' });

/** The options of esbuild, on its command line. */
const ESBUILD = ['--bundle', '--platform=node', '--minify'];

function esbuild(what: string, entry: string, out: string, ...options: readonly string[]): Step {
  return {
    what,
    run: async (project) => {
      const compiler = project.path('node_modules', 'esbuild', 'bin', 'esbuild');
      await project.run(process.execPath, compiler, entry, `--outfile=${out}`, ...ESBUILD, ...options);
      return holds(what, () => [process.execPath, out]).run(project);
    },
  };
}

const esbuilds: Environment = {
  name: 'esbuild, minified',
  packages: ['esbuild'],
  files: PROGRAMS,
  steps: [
    esbuild('CommonJS with the driver', 'main.mjs', 'out/alone.cjs', '--format=cjs'),
    esbuild(
      'CommonJS beside the driver',
      'main.cjs',
      'out/beside.cjs',
      '--format=cjs',
      '--external:ioredis',
      '--external:redis',
    ),
    esbuild(
      'ES module beside the driver',
      'main.mjs',
      'out/beside.mjs',
      '--format=esm',
      '--external:ioredis',
      '--external:redis',
    ),
    esbuild(
      'ES module beside the package',
      'main.mjs',
      'out/outside.mjs',
      '--format=esm',
      '--packages=external',
    ),
  ],
};

const WEBPACK = `
const { join } = require('node:path');
const webpack = require('webpack');
const isModule = process.argv[2] === 'module';
webpack({
  mode: 'production',
  target: 'node20',
  entry: './main.mjs',
  experiments: { outputModule: isModule },
  output: {
    path: join(__dirname, 'out'),
    filename: isModule ? 'bundle.mjs' : 'bundle.cjs',
    module: isModule,
    chunkFormat: isModule ? 'module' : 'commonjs',
  },
}, (error, stats) => {
  if (error === null && !stats.hasErrors()) return;
  console.error(error ?? stats.toString('errors-only'));
  process.exitCode = 1;
});`;

function webpack(what: string, kind: string, out: string): Step {
  return {
    what,
    run: async (project) => {
      await project.run(process.execPath, 'webpack.cjs', kind);
      return holds(what, () => [process.execPath, join('out', out)]).run(project);
    },
  };
}

const webpacks: Environment = {
  name: 'webpack 5',
  packages: ['webpack@5'],
  files: { ...PROGRAMS, 'webpack.cjs': WEBPACK },
  steps: [webpack('CommonJS', 'commonjs', 'bundle.cjs'), webpack('ES module', 'module', 'bundle.mjs')],
};

/** @param noExternal whether the package and its driver become part of the program */
const viteConfig = (noExternal: boolean) => `
export default {
  ssr: { noExternal: ${noExternal ? 'true' : '[]'} },
  build: { ssr: 'main.mjs', minify: true, outDir: 'out', rollupOptions: { output: { entryFileNames: 'bundle.mjs' } } },
};`;

function vite(what: string, ...options: readonly string[]): Step {
  return {
    what,
    run: async (project) => {
      const program = project.path('node_modules', 'vite', 'bin', 'vite.js');
      await project.run(process.execPath, program, 'build', ...options);
      return holds(what, () => [process.execPath, join('out', 'bundle.mjs')]).run(project);
    },
  };
}

const vites: Environment = {
  name: 'vite',
  packages: ['vite'],
  files: {
    ...PROGRAMS,
    'beside.config.mjs': viteConfig(false),
    'alone.config.mjs': viteConfig(true),
  },
  steps: [
    vite('beside the package', '--config', 'beside.config.mjs'),
    vite('with the package', '--config', 'alone.config.mjs'),
  ],
};

const TYPESCRIPT_VERSIONS = ['5.2', '5.3', '5.4', '5.5', '5.6', '5.7', '5.8', '5.9', '6.0', '7.0'];

/** How a consumer is compiled, and by which versions. TypeScript 6 wants to be told that node10 is meant; 7 has none. */
const MODES = [
  { mode: 'node16', options: ['--module', 'node16'], files: ['consumer.mts', 'consumer.cts'] },
  { mode: 'nodenext', options: ['--module', 'nodenext'], files: ['consumer.mts', 'consumer.cts'] },
  {
    mode: 'bundler',
    options: ['--module', 'esnext', '--moduleResolution', 'bundler'],
    files: ['consumer.ts'],
  },
  {
    mode: 'node10',
    options: ['--module', 'commonjs', '--moduleResolution', 'node10'],
    files: ['consumer.ts'],
  },
] as const;

const COMPILER = ['--strict', '--noEmit', '--target', 'es2022', '--types', 'node'];
const LIB = ['--lib', 'es2023,esnext.disposable'];

function typescript(version: string): Step {
  const modes = MODES.filter(({ mode }) => mode !== 'node10' || version < '6');
  return {
    what: `${version} ${modes.map(({ mode }) => mode).join(', ')}`,
    run: async (project) => {
      const compiler = project.path('node_modules', `typescript-${version}`, 'bin', 'tsc');
      for (const { options, files } of modes) {
        const args = [...COMPILER, ...LIB, ...options, ...files];
        const said = await project.run(process.execPath, compiler, ...args).then(
          () => '',
          ({ message }: Error) => message,
        );
        // Complaints about what others publish are not about this package.
        const ours = said.split('\n').filter((line) => /^\S*(?:consumer|quorlock\/)\S*\(\d/.test(line));
        if (ours.length > 0) throw new Error(`${options.join(' ')}\n${ours.join('\n')}`);
        if (said !== '' && !/error TS\d+/.test(said)) throw new Error(said);
      }
      return '';
    },
  };
}

const typescripts: Environment = {
  name: 'TypeScript',
  packages: [
    '@types/node@20',
    ...TYPESCRIPT_VERSIONS.map((version) => `typescript-${version}@npm:typescript@~${version}.0`),
  ],
  files: Object.fromEntries(['consumer.ts', 'consumer.mts', 'consumer.cts'].map((file) => [file, TYPED])),
  steps: TYPESCRIPT_VERSIONS.map(typescript),
};

export const ENVIRONMENTS: readonly Environment[] = [
  node,
  { ...node, name: 'node, iovalkey', driver: 'iovalkey' },
  { ...node, name: 'node, GLIDE', driver: '@valkey/valkey-glide' },
  face,
  time,
  bun,
  deno,
  otel,
  jest,
  { ...jest, name: 'jest 30, node-redis', driver: 'redis' },
  { ...jest, name: 'jest 30, iovalkey', driver: 'iovalkey' },
  { ...jest, name: 'jest 30, GLIDE', driver: '@valkey/valkey-glide' },
  nest11,
  nest10,
  vitest,
  esbuilds,
  { ...esbuilds, name: 'esbuild, minified, node-redis', driver: 'redis' },
  webpacks,
  vites,
  typescripts,
];
