import { list, onOneLine, shorten } from './describe.ts';
import type { NodeVote } from './vote.ts';

/** The most characters of a node's error that a message repeats, … */
const MOST_SAID = 300;

/** … and the most nodes that it lists with the same statement. */
const MOST_NODES = 20;

/** The statement of one node, or the same one of several. */
export interface Statement {
  readonly node: string;
  readonly text: string;
}

/** Each node's statement, for a person to read, on one line. The same statement of several nodes is there once. */
export function describeVotes(votes: readonly NodeVote[]): string {
  const held = votes.flatMap((vote) => (vote.outcome === 'held' ? [vote.remainingTtl] : []));
  const [least, most] = [Math.min(...held), Math.max(...held)];
  const span = least === most ? `${least}` : `${least} to ${most}`;
  const waiting = votes.flatMap((vote) => (isCounting(vote) ? [vote.message] : []));
  const statements = votes.map((vote) => {
    if (vote.outcome === 'held') return { node: vote.node, text: `${holderOf(vote)}, ${span} ms left` };
    return { node: vote.node, text: isCounting(vote) ? textOf(latestOf(vote, waiting)) : textOf(vote) };
  });
  return describeStatements(statements);
}

/** The statements, each once, after the nodes that make it. */
export function describeStatements(statements: readonly Statement[]): string {
  const nodesBy = new Map<string, string[]>();
  for (const { node, text } of statements) {
    const nodes = nodesBy.get(text) ?? [];
    nodesBy.set(text, [...nodes, shorten(onOneLine(node))]);
  }
  const lines = [...nodesBy].map(
    ([text, nodes]) => `${list(nodes, MOST_NODES)}: ${shorten(onOneLine(text), MOST_SAID)}`,
  );
  return list(lines, MOST_NODES, '; ');
}

type Held = Extract<NodeVote, { readonly outcome: 'held' }>;

function holderOf({ holder, isShared, isBehindWriter }: Held): string {
  if (isBehindWriter === true) return 'held by readers, and a writer that waits goes first';
  if (isShared === true) return 'held by readers';
  return holder === undefined ? 'held' : `held by ${holder}`;
}

type Failed = Extract<NodeVote, { readonly outcome: 'failed' }>;

/** Whether nodes with the same statement give different numbers in it. */
function isCounting(vote: NodeVote): vote is Failed {
  return vote.outcome === 'failed' && (vote.reason === 'quarantined' || vote.reason === 'overloaded');
}

/** Of statements that differ in a number only, such as the time left of a quarantine, the latest. */
function latestOf(vote: Failed, messages: readonly string[]): Failed {
  const withoutNumbers = (text: string) => text.replace(/\d+/g, '');
  const alike = messages.filter((text) => withoutNumbers(text) === withoutNumbers(vote.message));
  return { ...vote, message: alike.toSorted().at(-1) ?? vote.message };
}

function textOf(vote: Exclude<NodeVote, Held>): string {
  switch (vote.outcome) {
    case 'granted':
    case 'missing':
      return vote.outcome;
    case 'pending':
      return 'no answer needed any more';
    case 'foreign':
      return `not a lock (${vote.type})`;
    case 'superseded':
      return `superseded by token ${vote.counter}`;
    case 'failed':
      return `${vote.reason} (${vote.message})`;
  }
}
