// The program `quorlock`.

import { CommanderError } from 'commander';
import { onOneLine } from '../base/describe.ts';
import { QuorlockError } from '../base/errors.ts';
import { CommandError, EXIT } from './exit.ts';
import { programOf } from './program.ts';
import { complain } from './terminal.ts';

/** What the library calls by these names is an option of the command. Where it quotes a text, that is left as it is. */
function withOptions(message: string): string {
  return message.replace(
    /"(?:[^"\\]|\\.)*"|\b(?:ttl|maxTtl|nodeTimeout|driftFactor|keyPrefix)\b/g,
    (found) =>
      found.startsWith('"') ? found : `--${found.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
  );
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
    complain(`quorlock: ${withOptions(onOneLine(error.message))}`);
    return EXIT.usage;
  }
  complain(`quorlock: ${error instanceof Error ? error.stack : String(error)}`);
  return EXIT.internal;
}

async function main(): Promise<void> {
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
