import type { Command } from 'commander';
import { messageOf } from '../base/describe.ts';
import type { Inspection, Redlock } from '../index.ts';
import { fenceKeyOf, sharersKeyOf } from '../quorum/fencing-token.ts';
import { majorityOf } from '../quorum/round.ts';
import { MOST_SLOTS, TOKENS_A_LEASE } from '../wire/operation.ts';
import { Deployment } from './deployment.ts';
import { wholeNumberWithin } from './duration.ts';
import { CommandError, EXIT, UsageError } from './exit.ts';
import { headline, headlineOf, highestToken, look, type Permit, type Sight } from './inspect.ts';
import { type NodeOptions, withNodeOptions } from './node-options.ts';
import { breakScript } from './scripts.ts';
import { confirm, nameOf, print, printJson, table, wrap } from './terminal.ts';

interface ReleaseOptions extends NodeOptions {
  readonly force?: boolean;
  readonly yes?: boolean;
  readonly permit?: number | 'all';
}

/** For how long a node remembers that the holder's token is too low, in milliseconds. */
const RETENTION_MS = 3_600_000;

/** The value of a key that readers share. */
const SHARED = '&';

const permitNumber = wholeNumberWithin({ most: MOST_SLOTS - 1 });

function permitOf(text: string): number | 'all' {
  return text === 'all' ? text : permitNumber(text);
}

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
    .summary('take a lock, or permits, from their holder')
    .description(
      "Takes a lock from its holder, whose token is refused from then on. Only for a holder that can't do it.",
    )
    .argument('<resource>', 'the lock')
    .requiredOption('--force', 'yes, against the will of its holder')
    .option('--permit <number>', 'of a semaphore: which permit to take, or all', permitOf)
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', EXIT_CODES);
  withNodeOptions(command).action(async (resource: string, options: ReleaseOptions) => {
    await using deployment = await Deployment.open(options);
    const redlock = deployment.redlock();
    const sight = await look(deployment, redlock, resource);
    const wanted = wantedIn(sight, options);
    const held = wanted.filter(({ state }) => state !== 'free');
    const unknown = held.find(({ state }) => state === 'unknown');
    if (unknown !== undefined) throw new CommandError(headlineOf(unknown, nameIn(unknown)), EXIT.noQuorum);
    if (held.length === 0) {
      if (!sight.permitsAreKnown) throw new CommandError(headline(sight), EXIT.noQuorum);
      tell(options, { ...sight, token: 0, broken: [] }, `${whatIs(resource, options)} free`);
      return ended(EXIT.ok);
    }
    const other = held.find(({ state }) => state === 'not-a-lock');
    if (other !== undefined) throw new UsageError(headlineOf(other, nameIn(other)));
    const holders = held.map((each) => headlineOf(each, nameIn(each))).join('; ');
    const question = `${holders}. Break ${held.length === 1 ? 'it' : `all ${held.length}`}?`;
    if (!(await confirm(question, options.yes === true))) return ended(EXIT.usage);
    const outcomes = await Promise.all(held.map((each) => breakOne(deployment, each)));
    await callWaiters(redlock, resource, outcomes);
    const token = Math.max(...outcomes.map((each) => each.token));
    tell(options, { ...sight, token, broken: outcomes }, outcomes.map(describe).join('\n\n'));
    ended(Math.max(...outcomes.map(exitCodeOf)));
  });
}

/** What was asked for, as the subject of a sentence. */
function whatIs(resource: string, { permit }: ReleaseOptions): string {
  if (permit === undefined) return `${nameOf(resource)} is`;
  return permit === 'all'
    ? `all permits of ${nameOf(resource)} are`
    : `permit ${permit} of ${nameOf(resource)} is`;
}

/** A lock, or a permit of a semaphore. */
type Target = Inspection & Partial<Pick<Permit, 'permit'>>;

/** What is to be broken. */
function wantedIn({ inspection, semaphore }: Sight, { permit }: ReleaseOptions): readonly Target[] {
  const permits = semaphore?.permits ?? [];
  if (permit === 'all') return permits;
  if (permit !== undefined) return permits.filter((each) => each.permit === permit);
  if (inspection.state !== 'free' || permits.length === 0) return [inspection];
  const numbers = permits.map((each) => each.permit).join(', ');
  throw new UsageError(
    `${nameOf(inspection.resource)} is a semaphore. Say which permit to break, of ${numbers}: --permit ${permits[0]?.permit}, or all of them: --permit all`,
  );
}

function nameIn({ resource, permit }: Target): string {
  return permit === undefined ? nameOf(resource) : `permit ${permit} of ${nameOf(resource)}`;
}

/** What became of the lock on one node. */
interface BrokenAt {
  readonly node: string;
  /** `other`: another value owns it by now. */
  readonly state: 'broken' | 'other' | 'unknown';
  readonly message: string | undefined;
}

/** What became of a lock, or of a permit. */
interface Broken {
  readonly name: string;
  readonly permit: number | undefined;
  /** The next holder's token is above this one. */
  readonly token: number;
  /** Whether a majority of the nodes has broken it. */
  readonly isFree: boolean;
  readonly nodes: readonly BrokenAt[];
}

/** Breaks what each node has under a key, as it was seen. A node that has nothing refuses the holder, too. */
async function breakOne(deployment: Deployment, target: Target): Promise<Broken> {
  const { key, value: majority } = target;
  const token = highestToken(target) + TOKENS_A_LEASE;
  const keys = [key, fenceKeyOf(key), sharersKeyOf(key)];
  const nodes = await Promise.all(
    target.nodes.map(async (seen, index): Promise<BrokenAt> => {
      const { node } = seen;
      const value = seen.state === 'held' ? seen.value : seen.state === 'shared' ? SHARED : majority;
      const args = [value ?? '', token, RETENTION_MS];
      try {
        const reply = await deployment.clients[index]?.eval(breakScript, keys, args);
        const [state] = reply as readonly unknown[];
        return { node, state: state === 'broken' ? state : 'other', message: undefined };
      } catch (error) {
        return { node, state: 'unknown', message: messageOf(error) };
      }
    }),
  );
  const isFree = nodes.filter(({ state }) => state === 'broken').length >= majorityOf(nodes.length);
  return { name: nameIn(target), permit: target.permit, token, isFree, nodes };
}

/** An attempt on a free key notifies the first waiter. */
async function callWaiters(redlock: Redlock, resource: string, outcomes: readonly Broken[]): Promise<void> {
  const free = outcomes.filter(({ isFree }) => isFree);
  const slots = Math.max(0, ...outcomes.map(({ permit }) => permit ?? 0)) + 1;
  for (const { permit } of free) {
    const attempt =
      permit === undefined ? redlock.tryAcquire(resource) : redlock.semaphore(resource, slots).tryAcquire();
    await (await attempt.catch(() => null))?.release();
  }
}

function exitCodeOf({ nodes, isFree }: Broken): number {
  if (isFree) return EXIT.ok;
  return nodes.some(({ state }) => state === 'other') ? EXIT.held : EXIT.noQuorum;
}

function describe({ name, token, isFree, nodes }: Broken): string {
  const rows = nodes.map(({ node, state, message }) => [
    node,
    state === 'other' ? 'another holder has it by now' : (message ?? 'broken'),
  ]);
  const outcome = isFree
    ? `${name} is taken from its holder. The next holder's token is above ${token}. To have what the lock protects ` +
      'refuse the broken holder before then, register that token there.'
    : `${name} was not broken on a majority of the nodes, and may be held still.`;
  return `${wrap(outcome)}\n\n${table([['node', 'outcome'], ...rows])}`;
}

function tell({ json }: ReleaseOptions, value: object, text: string): void {
  if (json === true) printJson(value);
  else print(text);
}
