// The program `quorlock`.

import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { onOneLine } from '../base/describe.ts';
import { QuorlockError } from '../base/errors.ts';
import { addDoctor } from './doctor.ts';
import { CommandError, EXIT } from './exit.ts';
import { addInit } from './init.ts';
import { addInspect } from './inspect.ts';
import { addList } from './list.ts';
import { addRelease } from './release.ts';
import { addRun } from './run.ts';
import { addServers } from './servers.ts';
import { complain, print } from './terminal.ts';
import { addWatch } from './watch.ts';

const ABOUT = `
The nodes are masters of their own, the same list as in the programs that lock:
  --nodes redis://10.0.0.1:6379,redis://10.0.0.2:6379,redis://10.0.0.3:6379
or QUORLOCK_NODES. Their password: QUORLOCK_PASSWORD, or --password-file; never
among the arguments. A driver has to be installed beside quorlock: ioredis or
redis.`;

function programOf(ended: (exitCode: number) => void): Command {
  const program = new Command('quorlock')
    .description('Locks over independent Redis masters: run commands under them, and look after them.')
    .option('-V, --version', 'print the version')
    .on('option:version', () => {
      print(version());
      process.exit();
    })
    .addHelpText('after', ABOUT)
    .allowExcessArguments(false)
    .showHelpAfterError('(--help tells more)')
    .exitOverride();
  for (const add of [addRun, addDoctor, addInspect, addList, addWatch, addRelease, addInit, addServers]) {
    add(program, ended);
  }
  return program;
}

function version(): string {
  const found: unknown = createRequire(import.meta.url)('quorlock/package.json');
  return String((found as { readonly version: unknown }).version);
}

/** The exit code for what a subcommand threw, after telling it. */
function codeOf(error: unknown): number {
  // It has printed what it has to say.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof CommandError) {
    if (error.message !== '') complain(`quorlock: ${error.message}`);
    return error.exitCode;
  }
  if (error instanceof QuorlockError) {
    complain(`quorlock: ${error.message}`);
    return error.code === 'QUORLOCK_NOT_A_LOCK' ? EXIT.usage : EXIT.noQuorum;
  }
  // So the library tells of bad arguments.
  if (error instanceof TypeError || error instanceof RangeError) {
    complain(`quorlock: ${onOneLine(error.message)}`);
    return EXIT.usage;
  }
  complain(`quorlock: ${error instanceof Error ? error.stack : String(error)}`);
  return EXIT.internal;
}

async function main(): Promise<void> {
  // Whoever reads the output may stop reading, as head(1) does.
  const program = programOf((exitCode) => {
    process.exitCode = exitCode;
  });
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = codeOf(error);
  }
}

void main();
