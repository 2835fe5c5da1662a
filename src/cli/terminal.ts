import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { shorten } from '../base/describe.ts';
import { UsageError } from './exit.ts';

/** Tables and paragraphs fit a terminal of this width. */
const WIDTH = 80;

/**
 * Writes a line to stderr. It does not ask Node for the stream: Node would make a pipe non-blocking, and a command that
 * `run` starts has the very same pipe.
 */
export function complain(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // The reader has gone, or does not read. Nothing is left to tell it.
  }
}

/** Writes lines to stdout. A reader that has read enough, as head(1) has, ends the program. */
export function print(text: string): void {
  if (process.stdout.listenerCount('error') === 0) process.stdout.on('error', () => process.exit());
  process.stdout.write(`${text}\n`);
}

/** Writes a value to stdout as JSON, on several lines for a person to read. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Rows of cells, each column as wide as its widest cell; the last one is cut where the line would be too long. */
export function table(rows: readonly (readonly string[])[], width = WIDTH): string {
  const columns = Math.max(...rows.map(({ length }) => length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const lines = rows.map((cells) =>
    cells
      .map((cell, column) => (column === columns - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return lines.map((line) => cut(line, width)).join('\n');
}

/** The text, cut where it has more characters than this. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** A text in lines of at most {@link WIDTH} characters, each of which begins with the indent. */
export function wrap(text: string, indent = ''): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((each) => indent + each).join('\n');
}

/** Milliseconds, for a person to read. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1_000;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}

/** A name on one line that is not long: a key or an owner may be anything. */
export function nameOf(text: string): string {
  return shorten(text.replace(/[\p{Control}\u2028\u2029]+/gu, '?'), 60);
}

/**
 * Asks before something that can't be undone. Ctrl-C, Ctrl-D and the end of the input are a no.
 *
 * @throws {UsageError} there is no terminal to ask at, and `--yes` was not given
 */
export async function confirm(question: string, isSure: boolean): Promise<boolean> {
  if (isSure) return true;
  if (!process.stdin.isTTY) {
    throw new UsageError(`${question} There is no terminal to ask at: say --yes if it is meant`);
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const left = new Promise<string>((resolve) => lines.once('close', () => resolve('\n')));
  const answer = await Promise.race([lines.question(`${question} [y/N] `).catch(() => left), left]);
  lines.close();
  if (/^y(es)?$/i.test(answer.trim())) return true;
  // Without an answer the cursor still stands behind the question.
  complain(`${answer === '\n' ? answer : ''}quorlock: nothing was changed: it was not confirmed`);
  return false;
}
