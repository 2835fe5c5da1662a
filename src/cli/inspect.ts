import type { Command } from 'commander';
import { SystemClock } from '../base/clock.ts';
import type { Inspection, NodeInspection, Queue, Redlock } from '../index.ts';
import { Deployment } from './deployment.ts';
import { EXIT } from './exit.ts';
import { type NodeOptions, withNodeOptions } from './node-options.ts';
import { nameOf, plural, print, printJson, span, table, wrap } from './terminal.ts';

const EXIT_CODES = `
Exit codes:
  0    a majority of the nodes told who holds it, or that it is free
  64   the arguments make no sense
  69   too few nodes answered to tell`;

/** Adds `quorlock inspect`. */
export function addInspect(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('inspect')
    .summary('who holds a lock, and who waits for it')
    .description('Asks every node who holds a lock, and who waits for it. Changes nothing.')
    .argument('<resource>', 'the lock')
    .addHelpText('after', EXIT_CODES);
  withNodeOptions(command).action(async (resource: string, options: NodeOptions) => {
    await using deployment = await Deployment.open(options);
    const sight = await look(deployment.redlock(), resource);
    if (options.json === true) printJson(sight);
    else print(describe(sight));
    ended(sight.inspection.state === 'unknown' ? EXIT.noQuorum : EXIT.ok);
  });
}

/** What the nodes say of a lock. */
export interface Sight {
  readonly inspection: Inspection;
  readonly queue: Queue;
}

export async function look(redlock: Redlock, resource: string): Promise<Sight> {
  const [inspection, queue] = await Promise.all([redlock.inspect(resource), redlock.waiting(resource)]);
  return { inspection, queue };
}

/** The highest token that a node has given for the lock; 0 if none is known. */
export function highestToken({ nodes }: Inspection): number {
  return Math.max(0, ...nodes.map((node) => (node.state === 'held' ? node.counter : 0)));
}

/** One line on who has it. */
export function headline({
  resource,
  state,
  remainingTtl = 0,
  value = '',
  owner = value,
}: Inspection): string {
  const name = nameOf(resource);
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
export function describe({ inspection, queue }: Sight): string {
  const lines = [wrap(headline(inspection))];
  if (inspection.state === 'held') lines.push(`  token at most  ${highestToken(inspection)}`);
  for (const { owner = 'a reader', nodes, remainingTtl } of inspection.readers) {
    lines.push(`  reader         ${nameOf(owner)}, ${span(remainingTtl)} left, at ${plural(nodes, 'node')}`);
  }
  const now = new SystemClock().wall();
  for (const [index, { process, owner = process, since, nodes }] of queue.processes.entries()) {
    const place = index === 0 ? '  waiting        ' : '                 ';
    lines.push(`${place}${nameOf(owner)}, for ${span(now - since)}, at ${plural(nodes, 'node')}`);
  }
  const rows = inspection.nodes.map((node) => [node.node, describeNode(node)]);
  return `${lines.join('\n')}\n\n${table([['node', 'says'], ...rows])}`;
}

function describeNode(node: NodeInspection): string {
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
