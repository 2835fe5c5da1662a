import {
  type Comment,
  type Expression,
  type PrivateInExpression,
  type Program,
  parseSync,
  Visitor,
} from 'oxc-parser';

/** A text that people read, and the line of its file where it begins. */
export interface Passage {
  readonly line: number;
  readonly text: string;
}

/** A string with fewer words is a name or a value. */
const FEWEST_WORDS = 4;

/** What people read in a file: a page as it stands, the comments of code, and its strings that are sentences. */
export function passagesOf(path: string, text: string): readonly Passage[] {
  if (path.endsWith('.md')) return [{ line: 1, text }];
  if (path.endsWith('.lua')) return luaComments(text);
  const { comments, program } = parseSync(path, text);
  const lineAt = lineCounter(text);
  const passages = [...commentBlocks(comments, text, lineAt), ...stringsIn(program, lineAt)];
  return passages.toSorted((a, b) => a.line - b.line);
}

type LineAt = (offset: number) => number;

function lineCounter(text: string): LineAt {
  const ends = [...text.matchAll(/\n/g)].map(({ index }) => index);
  return (offset) => {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  };
}

/** Comments without their marks. Lines of `//` that follow each other are one passage. */
function commentBlocks(comments: readonly Comment[], text: string, lineAt: LineAt): readonly Passage[] {
  const passages: { line: number; text: string; last: number }[] = [];
  for (const { type, value, start, end } of comments) {
    const line = lineAt(start);
    const body = type === 'Line' ? value.trim() : value.replaceAll(/^[ \t]*\* ?/gm, '').trim();
    if (body.startsWith('/ <reference') || body.startsWith('/<reference')) continue;
    const before = passages.at(-1);
    const standsAlone = /^\s*$/.test(text.slice(text.lastIndexOf('\n', start - 1) + 1, start));
    if (type === 'Line' && standsAlone && before !== undefined && before.last === line - 1) {
      before.text += `\n${body}`;
      before.last = line;
    } else {
      passages.push({ line, text: body, last: type === 'Line' && standsAlone ? line : -lineAt(end) });
    }
  }
  return passages.map(({ line, text }) => ({ line, text: rowsApart(text) }));
}

function luaComments(text: string): readonly Passage[] {
  const passages: { line: number; text: string }[] = [];
  let last = -1;
  for (const [index, line] of text.split('\n').entries()) {
    const [, body] = /^\s*--+ ?(.*)$/.exec(line) ?? [];
    if (body === undefined) continue;
    const before = passages.at(-1);
    if (before !== undefined && last === index - 1) before.text += `\n${body}`;
    else passages.push({ line: index + 1, text: body });
    last = index;
  }
  return passages.map(({ line, text }) => ({ line, text: rowsApart(text) }));
}

/** Strings that are sentences. What is put together with `+` is one. */
function stringsIn(program: Program, lineAt: LineAt): readonly Passage[] {
  const passages: Passage[] = [];
  let readUpTo = -1;
  const read = (node: Expression) => {
    // A part of a sum that has been read as a whole.
    if (node.start < readUpTo) return;
    const text = textOf(node);
    if (text === undefined) return;
    readUpTo = node.end;
    if (isSentence(text)) passages.push({ line: lineAt(node.start), text: unwrapped(text) });
  };
  new Visitor({ Literal: read, TemplateLiteral: read, BinaryExpression: read }).visit(program);
  return passages;
}

/** The text of a string, a template, or a sum of them, with `x` for what is put in. */
function textOf(node: Expression | PrivateInExpression['left']): string | undefined {
  if (node.type === 'Literal') return typeof node.value === 'string' ? node.value : undefined;
  if (node.type === 'TemplateLiteral') return node.quasis.map(({ value }) => value.cooked ?? '').join('x');
  if (node.type !== 'BinaryExpression' || node.operator !== '+') return undefined;
  const [left, right] = [textOf(node.left), textOf(node.right)];
  return left === undefined && right === undefined ? undefined : `${left ?? 'x'}${right ?? 'x'}`;
}

/** Programs, scripts and markup are no sentences. */
function isSentence(text: string): boolean {
  const words = text.match(/(?<=^|\s)[A-Za-z][a-z']*(?=[\s.,:;]|$)/g) ?? [];
  if (words.length < FEWEST_WORDS) return false;
  return !/=>|[;{}]\s*$|^\s*(?:import|const|let|local|return)\b|<\/?\w+[ >]|[{;]\n|\n\s*}|CREATE TABLE/m.test(
    text,
  );
}

/** Each row of a list, as a help text has it, is a passage of its own. */
function unwrapped(text: string): string {
  return text.replaceAll(/\n(?= {2,}\S)/g, '\n\n').replaceAll(/^ +/gm, '');
}

/** So is each row of the tables that comments have, and what a tag of a docstring says. */
function rowsApart(text: string): string {
  return text.replaceAll(/\n(?=@\w|[ \t]*\{|.*\S {2,}\S)/g, '\n\n');
}
