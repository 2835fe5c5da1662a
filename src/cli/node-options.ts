import { readFileSync } from 'node:fs';
import { URL } from 'node:url';
import type { Command } from 'commander';
import { checkNodeUrl } from '../redlock/node-url.ts';
import { checkNodes } from '../redlock/nodes.ts';
import { UsageError } from './exit.ts';

/** The options by which every subcommand that asks nodes is told of them. */
export interface NodeOptions {
  readonly nodes?: string;
  readonly passwordFile?: string;
  readonly keyPrefix: string;
  readonly json?: boolean;
}

/** Adds these options to a subcommand. */
export function withNodeOptions(command: Command): Command {
  return command
    .option(
      '--nodes <urls>',
      'the masters, as redis://host:port,… without passwords (default: $QUORLOCK_NODES)',
    )
    .option('--password-file <file>', "a file that has the nodes' password (default: $QUORLOCK_PASSWORD)")
    .option('--key-prefix <prefix>', 'the keyPrefix of the programs that lock', 'lock:')
    .option('--json', 'print JSON');
}

/**
 * The URLs of the nodes, with the password where they have none. No message repeats a part of one.
 *
 * @throws {UsageError} none are given; a URL among the arguments has a password; a URL is none
 */
export function nodeUrls({ nodes, passwordFile }: NodeOptions): readonly string[] {
  const { QUORLOCK_NODES = '', QUORLOCK_PASSWORD = '' } = process.env;
  const text = nodes ?? QUORLOCK_NODES;
  if (text.trim() === '') {
    throw new UsageError(
      'Which nodes? Say --nodes redis://10.0.0.1:6379,redis://10.0.0.2:6379,… or set QUORLOCK_NODES to that. For a ' +
        'try on this machine, "quorlock servers" starts five and says what to set',
    );
  }
  const password = passwordFile === undefined ? QUORLOCK_PASSWORD : passwordIn(passwordFile);
  const urls = text.split(',').map((each, index) => {
    const name = `${nodes === undefined ? 'QUORLOCK_NODES' : '--nodes'}[${index}]`;
    asUsage(() => checkNodeUrl(each, name));
    const url = new URL(each.trim());
    const isSecret = hasPassword(url);
    if (isSecret && nodes !== undefined) {
      throw new UsageError(
        `${name} has a password, and every user of this host can read the arguments of a command. Give the URL without ` +
          'it, and the password by QUORLOCK_PASSWORD or --password-file; or all URLs by QUORLOCK_NODES. Change the ' +
          'password if others use this host: it has been seen',
      );
    }
    if (!isSecret && password !== '') url.password = encodeURIComponent(password);
    return url.href;
  });
  asUsage(() => checkNodes(urls));
  return urls;
}

/** The environment without passwords of nodes, for programs that are not this one. */
export function withoutPasswords(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { QUORLOCK_PASSWORD: _, QUORLOCK_NODES, ...rest } = environment;
  const texts = QUORLOCK_NODES?.split(',');
  // Where --nodes is given it may be anything, with a password anywhere.
  if (texts === undefined || !texts.every((text) => URL.canParse(text.trim()))) return rest;
  const urls = texts.map((text) => {
    const url = new URL(text.trim());
    if (!hasPassword(url)) return text;
    url.password = '';
    url.searchParams.delete('password');
    return url.href;
  });
  return { ...rest, QUORLOCK_NODES: urls.join(',') };
}

function hasPassword({ password, searchParams }: URL): boolean {
  return password !== '' || searchParams.has('password');
}

function passwordIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`--password-file: "${file}" can't be read (${code})`);
  }
}

/** What the library says of a bad argument is a matter of usage here. */
function asUsage(check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
