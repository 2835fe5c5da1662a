import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Verdict } from '../verdict.ts';
import { dataOf } from './data.ts';
import { pageOf } from './page.ts';

/** Writes the page of a run, and its numbers. Returns where they are. */
export async function writeReport(verdict: Verdict, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const data = dataOf(verdict);
  const page = join(folder, 'index.html');
  await writeFile(page, pageOf(data, await compiled()));
  const numbers = join(folder, 'chaos.json');
  await writeFile(numbers, `${JSON.stringify(data)}\n`);
  return `Report: ${page}\nNumbers: ${numbers}`;
}

let program: Promise<string> | undefined;

/** What runs in the page, with everything it needs, as one script. */
function compiled(): Promise<string> {
  program ??= build({
    entryPoints: [fileURLToPath(new URL('page/main.ts', import.meta.url))],
    bundle: true,
    write: false,
    minify: true,
    format: 'iife',
    target: 'es2022',
    logLevel: 'error',
  }).then(({ outputFiles }) => outputFiles[0]?.text ?? '');
  return program;
}
