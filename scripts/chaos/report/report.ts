import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Verdict } from '../../../test/fleet/chaos/verdict/verdict.ts';
import { dataOf } from './data.ts';

/** Writes the numbers of a run. Returns what to tell about it. */
export async function writeReport(verdict: Verdict, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const data = dataOf(verdict);
  const numbers = join(folder, 'chaos.json');
  await writeFile(numbers, `${JSON.stringify(data)}\n`);
  return `Numbers: ${numbers}`;
}
