import type { Command } from 'commander';
import { messageOf } from '../base/describe.ts';
import { ownerIn } from '../base/owner.ts';
import { isShared, OWN_PREFIX, waiterOf } from '../quorum/fencing-token.ts';
import { majorityOf } from '../quorum/round.ts';
import type { Client } from '../wire/client.ts';
import { Deployment } from './deployment.ts';
import { wholeNumberWithin } from './duration.ts';
import { EXIT } from './exit.ts';
import { type NodeOptions, withNodeOptions } from './node-options.ts';
import { listScript } from './scripts.ts';
import { complain, nameOf, print, printJson, span, table, wrap } from './terminal.ts';

interface ListOptions extends NodeOptions {
  readonly limit: number;
}

/** How many keys a node looks at before it serves others. */
const PAGE = 500;

/** The most pages that a node is asked for: half a million keys. */
const MOST_PAGES = 1_000;

const EXIT_CODES = `
Only locks that a majority of the nodes knows of are held; others are listed as
partly held: they are being acquired or released, or a node was down.

Exit codes:
  0    a majority of the nodes answered
  64   the arguments make no sense
  69   too few nodes answered`;

/** Adds `quorlock list`. */
export function addList(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('list')
    .summary('the locks that are held')
    .description('Lists the locks that are held, by SCAN, a page at a time. Changes nothing.')
    .argument('[pattern]', 'which ones, as Redis matches keys: orders/*', '*')
    .option(
      '--limit <number>',
      'how many at the most, of each node',
      wholeNumberWithin({ least: 1, most: MOST_PAGES * PAGE }),
      1_000,
    )
    .addHelpText('after', EXIT_CODES);
  withNodeOptions(command).action(async (pattern: string, options: ListOptions) => {
    await using deployment = await Deployment.open(options);
    const listed = await listLocks(deployment, pattern, options.limit);
    const answered = listed.nodes.filter(({ failure }) => failure === undefined).length;
    const hasQuorum = answered >= majorityOf(listed.nodes.length);
    if (options.json === true) printJson(listed);
    else show(listed, hasQuorum);
    ended(hasQuorum ? EXIT.ok : EXIT.noQuorum);
  });
}

/** A lock, as the nodes that were asked know it. */
interface Listed {
  readonly resource: string;
  /** The slot of a semaphore; undefined for another lock. */
  readonly permit: number | undefined;
  /** Whether a majority has it under one value. */
  readonly state: 'held' | 'shared' | 'partly-held';
  readonly value: string;
  /** The name that the holder's process gave itself; undefined if the value does not tell. */
  readonly owner: string | undefined;
  /** How many nodes have it under that value. */
  readonly nodes: number;
  /** Milliseconds until no majority has it any more; until no node has it, if it is partly held. */
  readonly remainingTtl: number;
}

interface Listing {
  readonly locks: readonly Listed[];
  readonly nodes: readonly {
    readonly node: string;
    readonly failure: string | undefined;
    /** Whether it may have more. */
    readonly isCut: boolean;
  }[];
}

interface Entry {
  readonly key: string;
  readonly value: string;
  readonly remainingTtl: number;
}

async function listLocks(deployment: Deployment, pattern: string, limit: number): Promise<Listing> {
  const { keyPrefix, looks } = deployment;
  const readings = await Promise.all(
    looks.map(async ({ client, address, failure }) => {
      if (failure !== undefined) return { node: address, failure, isCut: false, entries: [] };
      try {
        return { node: address, failure: undefined, ...(await entriesOf(client, keyPrefix, pattern, limit)) };
      } catch (error) {
        return { node: address, failure: messageOf(error), isCut: false, entries: [] };
      }
    }),
  );
  const byKey = new Map<string, Entry[]>();
  for (const entry of readings.flatMap(({ entries }) => entries)) {
    byKey.set(entry.key, [...(byKey.get(entry.key) ?? []), entry]);
  }
  const majority = majorityOf(looks.length);
  const locks = [...byKey].map(([key, entries]) => listedOf(key, entries, majority, keyPrefix));
  return {
    locks: locks.sort((a, b) => (a.resource < b.resource ? -1 : 1)),
    nodes: readings.map(({ node, failure, isCut }) => ({ node, failure, isCut })),
  };
}

async function entriesOf(client: Client, keyPrefix: string, pattern: string, limit: number) {
  const entries: Entry[] = [];
  let pages = 0;
  for (const keys of keyPatterns(keyPrefix, pattern)) {
    let cursor = '0';
    do {
      const [next, ...fields] = (await client.eval(
        listScript,
        [],
        [cursor, keys, PAGE],
      )) as readonly unknown[];
      cursor = String(next);
      for (let at = 0; at + 2 < fields.length; at += 3) {
        const [key, value, remainingTtl] = fields.slice(at, at + 3);
        const isOurs = !String(key).startsWith(OWN_PREFIX) || SLOT.test(String(key));
        // SCAN may give a key twice.
        if (isOurs && waiterOf(String(value)) === undefined && !entries.some((one) => one.key === key)) {
          entries.push({ key: String(key), value: String(value), remainingTtl: Number(remainingTtl) });
        }
      }
      pages += 1;
      if (entries.length > limit || pages > MOST_PAGES)
        return { entries: entries.slice(0, limit), isCut: true };
    } while (cursor !== '0');
  }
  return { entries, isCut: false };
}

/** The patterns of the keys of locks, and of the slots of semaphores in their three forms: see `companions`. */
function keyPatterns(keyPrefix: string, pattern: string): readonly string[] {
  const plain = keyPrefix.replace(/[*?[\]\\]/g, '\\$&') + pattern;
  const slot = `${OWN_PREFIX}slot:*:`;
  return [plain, `${slot}whole:{${plain}}`, `${slot}tagged:${plain}`, `${slot}slot:{*}:${plain}`];
}

const SLOT = /^quorlock:slot:(\d+):(?:whole:\{(.*)\}|tagged:(.*)|slot:\{\d+\}:(.*))$/s;

function listedOf(key: string, entries: readonly Entry[], majority: number, keyPrefix: string): Listed {
  const values = new Map<string, number[]>();
  for (const { value, remainingTtl } of entries)
    values.set(value, [...(values.get(value) ?? []), remainingTtl]);
  const [[value, ttls] = ['', []]] = [...values].sort(([, a], [, b]) => b.length - a.length);
  const [, slot, whole, tagged, other] = SLOT.exec(key) ?? [];
  const sorted = ttls.sort((a, b) => b - a);
  const isHeld = sorted.length >= majority;
  return {
    resource: (whole ?? tagged ?? other ?? key).slice(keyPrefix.length),
    permit: slot === undefined ? undefined : Number(slot),
    state: isHeld ? (isShared(value) ? 'shared' : 'held') : 'partly-held',
    value,
    owner: ownerIn(value),
    nodes: sorted.length,
    remainingTtl: sorted[isHeld ? majority - 1 : 0] ?? 0,
  };
}

function show({ locks, nodes }: Listing, hasQuorum: boolean): void {
  const rows = locks.map(({ resource, permit, state, value, owner = value, nodes: count, remainingTtl }) => [
    `${nameOf(resource)}${permit === undefined ? '' : ` (permit ${permit})`}`,
    span(remainingTtl),
    `${count} of ${nodes.length}`,
    state === 'shared' ? 'readers' : `${nameOf(owner)}${state === 'held' ? '' : ' (partly held)'}`,
  ]);
  if (rows.length > 0) print(table([['resource', 'left', 'nodes', 'holder'], ...rows]));
  else if (hasQuorum) print('No lock is held.');
  if (!hasQuorum) complain('quorlock: too few nodes answered to tell which locks are held');
  for (const { node, failure, isCut } of nodes) {
    if (failure !== undefined) complain(wrap(`quorlock: ${node}: ${failure}`));
    if (isCut)
      complain(wrap(`quorlock: ${node} may have more locks. Raise --limit, or give a narrower pattern`));
  }
}
