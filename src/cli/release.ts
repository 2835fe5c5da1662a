import type { Command } from 'commander';
import { messageOf } from '../base/describe.ts';
import type { Inspection } from '../index.ts';
import { fenceKeyOf, sharersKeyOf } from '../quorum/fencing-token.ts';
import { majorityOf } from '../quorum/round.ts';
import { TOKENS_A_LEASE } from '../wire/operation.ts';
import { Deployment } from './deployment.ts';
import { CommandError, EXIT, UsageError } from './exit.ts';
import { headline, highestToken, look } from './inspect.ts';
import { type NodeOptions, withNodeOptions } from './node-options.ts';
import { breakScript } from './scripts.ts';
import { confirm, nameOf, print, printJson, table, wrap } from './terminal.ts';

interface ReleaseOptions extends NodeOptions {
  readonly force?: boolean;
  readonly yes?: boolean;
}

/** For how long a node remembers that the holder's token is too low, in milliseconds. */
const RETENTION_MS = 3_600_000;

/** The value of a key that readers share. */
const SHARED = '&';

const EXIT_CODES = `
A holder that is broken goes on until it looks at its lock again: its next
extension is refused. What the lock protects is safe where it checks tokens: the
next holder's is higher, and the one that is printed may be registered at once.

Exit codes:
  0    it was released on a majority of the nodes, or was free
  64   the arguments make no sense, or it was not confirmed
  69   too few nodes answered; it may be held still
  75   another holder has it by now, and was left alone`;

/** Adds `quorlock release`. */
export function addRelease(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('release')
    .summary('take a lock from its holder')
    .description(
      "Takes a lock from its holder, whose token is refused from then on. Only for a holder that can't do it.",
    )
    .argument('<resource>', 'the lock')
    .requiredOption('--force', 'yes, against the will of its holder')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', EXIT_CODES);
  withNodeOptions(command).action(async (resource: string, options: ReleaseOptions) => {
    await using deployment = await Deployment.open(options);
    const redlock = deployment.redlock();
    const sight = await look(redlock, resource);
    const { state } = sight.inspection;
    if (state === 'unknown') throw new CommandError(headline(sight.inspection), EXIT.noQuorum);
    if (state === 'free') {
      tell(options, { ...sight, token: 0, broken: [] }, headline(sight.inspection));
      return ended(EXIT.ok);
    }
    if (state === 'not-a-lock') throw new UsageError(headline(sight.inspection));
    const question = `${headline(sight.inspection)}. Break it?`;
    if (!(await confirm(question, options.yes === true))) return ended(EXIT.usage);
    const token = highestToken(sight.inspection) + TOKENS_A_LEASE;
    const broken = await breakAll(deployment, sight.inspection, token);
    const isFree = broken.filter(({ state: each }) => each === 'broken').length >= majorityOf(broken.length);
    // An attempt on a free key notifies the first waiter.
    if (isFree) await (await redlock.tryAcquire(resource).catch(() => null))?.release();
    tell(options, { ...sight, token, broken }, describe(resource, broken, token, isFree));
    ended(exitCodeOf(broken, isFree));
  });
}

/** What became of the lock on one node. */
interface Broken {
  readonly node: string;
  /** `other`: another value owns it by now. */
  readonly state: 'broken' | 'other' | 'unknown';
  readonly message: string | undefined;
}

/** Breaks what each node has under the lock's key, as it was seen. A node that has nothing refuses the holder, too. */
function breakAll(deployment: Deployment, inspection: Inspection, token: number): Promise<readonly Broken[]> {
  const key = deployment.keyPrefix + inspection.resource;
  return Promise.all(
    inspection.nodes.map(async (seen, index): Promise<Broken> => {
      const { node } = seen;
      const value = seen.state === 'held' ? seen.value : seen.state === 'shared' ? SHARED : inspection.value;
      const keys = [key, fenceKeyOf(key), sharersKeyOf(key)];
      try {
        const reply = await deployment.clients[index]?.eval(breakScript, keys, [
          value ?? '',
          token,
          RETENTION_MS,
        ]);
        const [state] = reply as readonly unknown[];
        return { node, state: state === 'broken' ? state : 'other', message: undefined };
      } catch (error) {
        return { node, state: 'unknown', message: messageOf(error) };
      }
    }),
  );
}

function exitCodeOf(broken: readonly Broken[], isFree: boolean): number {
  if (isFree) return EXIT.ok;
  return broken.some(({ state }) => state === 'other') ? EXIT.held : EXIT.noQuorum;
}

function describe(resource: string, broken: readonly Broken[], token: number, isFree: boolean): string {
  const rows = broken.map(({ node, state, message }) => [
    node,
    state === 'other' ? 'another holder has it by now' : (message ?? 'broken'),
  ]);
  const outcome = isFree
    ? `${nameOf(resource)} is taken from its holder. The next holder's token is above ${token}. To have what the lock protects ` +
      'refuse the broken holder before then, register that token there.'
    : `${nameOf(resource)} was not broken on a majority of the nodes, and may be held still.`;
  return `${wrap(outcome)}\n\n${table([['node', 'outcome'], ...rows])}`;
}

function tell({ json }: ReleaseOptions, value: object, text: string): void {
  if (json === true) printJson(value);
  else print(text);
}
