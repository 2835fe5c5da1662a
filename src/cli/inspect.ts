import type { Command } from 'commander';
import { SystemClock } from '../base/clock.ts';
import { plural } from '../base/describe.ts';
import type { Inspection, NodeInspection, Queue, Redlock } from '../index.ts';
import { slotKeyOf } from '../quorum/fencing-token.ts';
import { majorityOf } from '../quorum/round.ts';
import { MOST_SLOTS } from '../wire/operation.ts';
import { Deployment, inTime } from './deployment.ts';
import { EXIT } from './exit.ts';
import { type NodeOptions, withNodeOptions } from './node-options.ts';
import { permitsScript } from './scripts.ts';
import { nameOf, print, printJson, span, table, wrap } from './terminal.ts';

const EXIT_CODES = `
Exit codes:
  0    a majority of the nodes told who holds it, or that it is free
  64   the arguments make no sense
  69   too few nodes answered to tell`;

/** Adds `quorlock inspect`. */
export function addInspect(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('inspect')
    .summary('who holds a lock or permits, and who waits for them')
    .description(
      'Asks every node who holds a lock, or permits of a semaphore, and who waits. Changes nothing.',
    )
    .argument('<resource>', 'the lock, or the semaphore')
    .addHelpText('after', EXIT_CODES);
  withNodeOptions(command).action(async (resource: string, options: NodeOptions) => {
    await using deployment = await Deployment.open(options);
    const sight = await look(deployment, deployment.redlock(), resource);
    if (options.json === true) printJson(sight);
    else print(describe(sight));
    ended(sight.inspection.state === 'unknown' || !sight.permitsAreKnown ? EXIT.noQuorum : EXIT.ok);
  });
}

/** A permit of a semaphore, as the nodes know it. */
export interface Permit extends Inspection {
  /** Its number, from 0. */
  readonly permit: number;
}

/** What the nodes say of a lock, and of the semaphore of the same name. */
export interface Sight {
  readonly inspection: Inspection;
  readonly queue: Queue;
  /** Undefined: none of its permits is taken, as far as the nodes answered. */
  readonly semaphore: { readonly permits: readonly Permit[]; readonly queue: Queue } | undefined;
  /** Whether a majority of the nodes told which permits are taken. */
  readonly permitsAreKnown: boolean;
}

/** Looks at a lock, and at the permits of its name that a node knows of. */
export async function look(deployment: Deployment, redlock: Redlock, resource: string): Promise<Sight> {
  const [inspection, queue, counts] = await Promise.all([
    redlock.inspect(resource),
    redlock.waiting(resource),
    slotsWorthALook(deployment, resource),
  ]);
  const permitsAreKnown = counts.length >= majorityOf(deployment.looks.length);
  const count = Math.max(0, ...counts);
  if (count === 0) return { inspection, queue, semaphore: undefined, permitsAreKnown };
  const semaphore = redlock.semaphore(resource, count);
  const [slots, waiting] = await Promise.all([semaphore.inspect(), semaphore.waiting()]);
  const permits = slots
    .map((slot, permit) => ({ permit, ...slot }))
    .filter(({ nodes }) => nodes.some(({ state }) => state === 'held' || state === 'kept'));
  const taken = permits.length === 0 ? undefined : { permits, queue: waiting };
  return { inspection, queue, semaphore: taken, permitsAreKnown };
}

/** Of each node that answers; none knows how many permits a semaphore has. */
async function slotsWorthALook({ looks, keyPrefix }: Deployment, resource: string): Promise<number[]> {
  const counts = looks.map(async ({ client, failure }) => {
    if (failure !== undefined) return [];
    const asking = client.eval(permitsScript, [slotKeyOf(keyPrefix + resource, 0)], [MOST_SLOTS]);
    return inTime(asking).then(
      (count) => [Number(count)],
      () => [],
    );
  });
  return (await Promise.all(counts)).flat();
}

/** The highest token that a node has given for the lock; 0 if none is known. */
export function highestToken({ nodes }: Inspection): number {
  return Math.max(0, ...nodes.map((node) => (node.state === 'held' ? node.counter : 0)));
}

/** One line on who has it. */
export function headline({ inspection, semaphore, permitsAreKnown }: Sight): string {
  if (semaphore === undefined) {
    const isTold = permitsAreKnown || inspection.state === 'unknown';
    return (
      headlineOf(inspection) + (isTold ? '' : '; too few nodes answered to tell of permits by that name')
    );
  }
  const { length } = semaphore.permits;
  const permits = `${plural(length, 'permit')} of the semaphore of that name ${length === 1 ? 'is' : 'are'} taken`;
  return `${headlineOf(inspection)}; ${permits}`;
}

/** One line on who has a lock, or a permit by that name. */
export function headlineOf(
  { resource, state, remainingTtl = 0, value = '', owner = value }: Inspection,
  name = nameOf(resource),
): string {
  const left = `${span(remainingTtl)} left unless it is extended`;
  switch (state) {
    case 'held':
      return `${name} is held by ${nameOf(owner)}, ${left}`;
    case 'shared':
      return `${name} is held by readers, the last of them with ${left}`;
    case 'free':
      return `${name} is free`;
    case 'not-a-lock':
      return `${name} is not a lock: its key exists and is something else`;
    case 'contended':
      return `${name} is contended: no holder has a majority`;
    case 'unknown':
      return `${name}: too few nodes answered to tell`;
  }
}

/** What the nodes say, for a person to read. */
export function describe(sight: Sight): string {
  const { inspection, queue, semaphore } = sight;
  const lines = [wrap(headline(sight))];
  if (inspection.state === 'held') lines.push(`  token at most  ${highestToken(inspection)}`);
  for (const { owner = 'a reader', nodes, remainingTtl } of inspection.readers) {
    lines.push(`  reader         ${nameOf(owner)}, ${span(remainingTtl)} left, at ${plural(nodes, 'node')}`);
  }
  lines.push(...describeQueue(queue, 'waiting'));
  for (const { permit, state, owner, value = '', remainingTtl = 0 } of semaphore?.permits ?? []) {
    const holder = state === 'held' ? `${nameOf(owner ?? value)}, ${span(remainingTtl)} left` : PARTLY[state];
    lines.push(`  ${`permit ${permit}`.padEnd(15)}${holder}`);
  }
  lines.push(...describeQueue(semaphore?.queue, 'for a permit'));
  const rows = inspection.nodes.map((node, index) => [
    node.node,
    describeNode(node, permitsAt(sight, index)),
  ]);
  return `${lines.join('\n')}\n\n${table([['node', 'says'], ...rows])}`;
}

/** What a permit is that some nodes have, and that no majority says is held. */
const PARTLY: Readonly<Record<Inspection['state'], string>> = {
  held: '',
  shared: '',
  free: 'free on a majority',
  'not-a-lock': 'not a lock: its key is something else',
  contended: 'contended: no holder has a majority',
  unknown: 'too few nodes answered to tell',
};

function describeQueue(queue: Queue | undefined, title: string): readonly string[] {
  const now = new SystemClock().wall();
  return (queue?.processes ?? []).map(({ process, owner = process, since, nodes }, index) => {
    const place = (index === 0 ? title : '').padEnd(15);
    return `  ${place}${nameOf(owner)}, for ${span(now - since)}, at ${plural(nodes, 'node')}`;
  });
}

/** How many permits a node has as taken. */
function permitsAt({ semaphore }: Sight, index: number): number {
  return semaphore?.permits.filter(({ nodes }) => nodes[index]?.state === 'held').length ?? 0;
}

function describeNode(node: NodeInspection, permits: number): string {
  const taken = permits === 0 ? '' : `; ${plural(permits, 'permit')} taken`;
  return describeLock(node) + taken;
}

function describeLock(node: NodeInspection): string {
  switch (node.state) {
    case 'held':
      return `held by ${nameOf(node.owner ?? node.value)}, ${span(node.remainingTtl)} left`;
    case 'shared':
      return `held by readers, ${span(node.remainingTtl)} left`;
    case 'kept':
      return `reserved for ${nameOf(node.owner ?? 'a waiter')}, ${span(node.remainingTtl)} left`;
    case 'not-a-lock':
      return `not a lock (${node.type})`;
    case 'unknown':
      return `${node.reason}: ${nameOf(node.message)}`;
    case 'free':
      return 'free';
  }
}
