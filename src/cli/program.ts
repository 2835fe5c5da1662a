import { createRequire } from 'node:module';
import { Command } from 'commander';
import { addDoctor } from './doctor.ts';
import { addInit } from './init.ts';
import { addInspect } from './inspect.ts';
import { addList } from './list.ts';
import { addRelease } from './release.ts';
import { addRun } from './run.ts';
import { addServers } from './servers.ts';
import { print } from './terminal.ts';
import { addWatch } from './watch.ts';

const ABOUT = `
The nodes are masters of their own, the same list as in the programs that lock:
  --nodes redis://10.0.0.1:6379,redis://10.0.0.2:6379,redis://10.0.0.3:6379
or QUORLOCK_NODES. Their password: QUORLOCK_PASSWORD, or --password-file; never
among the arguments. A driver has to be installed beside quorlock: ioredis or
redis.`;

/** The program with its subcommands. `ended` is called with the exit code of the one that ran. */
export function programOf(ended: (exitCode: number) => void): Command {
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
