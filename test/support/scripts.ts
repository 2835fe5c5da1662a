import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Ended {
  readonly code: number;
  /** What it wrote, errors after all else. */
  readonly output: string;
}

/** Runs a program of scripts/ to its end, as `npm run` does. */
export function runScript(name: string, ...args: readonly string[]): Promise<Ended> {
  const child = ['--import', 'tsx', `scripts/${name}`, ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, child, { cwd: ROOT, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}
