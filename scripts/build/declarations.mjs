import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { ROOT } from './entries.mjs';

const QUIET = { default: { logLevel: 'none' } };
const OFF = { enabled: false };

/**
 * Compiles the declarations of all sources into a folder of their own, has something done with them, and removes them.
 *
 * @throws {Error} the sources do not compile; the compiler has said why
 */
export function withDeclarations(use) {
  const folder = mkdtempSync(join(tmpdir(), 'quorlock-declarations-'));
  try {
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
    cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
    const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const args = [compiler, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', folder];
    const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
    if (status !== 0) throw new Error('the sources do not compile');
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Removes the comments of all declarations in a folder. */
export function removeComments(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((path) => path.endsWith('.d.ts'));
  for (const file of files) {
    const text = readFileSync(join(folder, file), 'utf8');
    writeFileSync(join(folder, file), text.replaceAll(/^\s*\/\*\*[\s\S]*?\*\/\n/gm, ''));
  }
}

/**
 * Runs API Extractor, which brings a TypeScript of its own: that of this repository has no programming interface.
 *
 * @param main the declarations to begin with, a path in the folder
 * @returns whether a report differs from what it was
 */
export function extract(folder, main, { apiReport = OFF, dtsRollup = OFF, accept = true }) {
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    types: ['node'],
  };
  const config = ExtractorConfig.prepare({
    configObjectFullPath: join(folder, 'api-extractor.json'),
    packageJsonFullPath: join(folder, 'package.json'),
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: join(folder, main),
      compiler: { overrideTsconfig: { compilerOptions, files: [join(folder, main)] } },
      apiReport,
      dtsRollup,
      docModel: OFF,
      tsdocMetadata: OFF,
      newlineKind: 'lf',
      messages: {
        compilerMessageReporting: QUIET,
        extractorMessageReporting: QUIET,
        tsdocMessageReporting: QUIET,
      },
    },
  });
  const silence = (message) => {
    message.handled = true;
  };
  return Extractor.invoke(config, { localBuild: accept, messageCallback: silence }).apiReportChanged;
}
