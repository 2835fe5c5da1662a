import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const PROJECT_ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What became of a program. */
export interface ProgramEnd {
  readonly exitCode: number | null;
  readonly output: string;
  readonly errors: string;
}

/**
 * Runs TypeScript in a process of its own and waits for that to end by itself. The code may import from
 * `./src/index.ts`, and finds its arguments in `args`.
 */
export async function runProgram(code: string, args: unknown): Promise<ProgramEnd> {
  const program = `const args = JSON.parse(process.env.PROGRAM_ARGS);\n${code}`;
  const child: ChildProcess = spawn(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', program],
    {
      cwd: PROJECT_ROOT,
      env: { ...process.env, PROGRAM_ARGS: JSON.stringify(args) },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let output = '';
  let errors = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    errors += chunk;
  });
  const [exitCode] = await once(child, 'close');
  return { exitCode, output: output.trim(), errors: errors.trim() };
}
