import { createRequire } from 'node:module';
import { TextlintKernel, type TextlintRuleModule } from '@textlint/kernel';
import { split } from 'sentence-splitter';
import stopWords from 'textlint-rule-stop-words';
import type { Passage } from './passages.ts';

/** The rules, as prose.json has them. */
export interface Rules {
  /** What is not written, and what stands in its place. */
  readonly words: readonly (readonly [words: string, instead: string])[];
  /** How many of them a folder may have. */
  readonly mostWords: number;
  /** Words that a sentence has at most, as a rule. */
  readonly longest: number;
  /** For each folder: how many sentences may be longer. */
  readonly sentences: Readonly<Record<string, number>>;
}

export interface Finding {
  readonly line: number;
  readonly kind: 'word' | 'sentence';
  readonly message: string;
  /** Of a sentence: its words. */
  readonly length: number;
}

// A CommonJS module, whose default export each loader of ES modules finds elsewhere.
const { default: markdown } = createRequire(import.meta.url)(
  '@textlint/textlint-plugin-markdown',
) as typeof import('@textlint/textlint-plugin-markdown');

const kernel = new TextlintKernel();

/** Where people read these passages of one file and find them hard. */
export async function findingsIn(passages: readonly Passage[], rules: Rules): Promise<readonly Finding[]> {
  const { text, lines } = joined(passages);
  if (text === '') return [];
  const { messages } = await kernel.lintText(text, {
    ext: '.md',
    plugins: [{ pluginId: 'markdown', plugin: markdown }],
    rules: [
      { ruleId: 'word', rule: stopWords, options: { defaultWords: false, words: rules.words } },
      { ruleId: 'sentence', rule: sentenceLength, options: { longest: rules.longest } },
    ],
  });
  return messages.map(({ ruleId, message, loc }) => ({
    line: lines[loc.start.line - 1] ?? 0,
    kind: ruleId === 'word' ? 'word' : 'sentence',
    message,
    length: ruleId === 'word' ? 0 : wordsOf(message),
  }));
}

/** Passages as one text, with an empty line between two, and of each of its lines the line of the file. */
function joined(passages: readonly Passage[]): { readonly text: string; readonly lines: readonly number[] } {
  const texts: string[] = [];
  const lines: number[] = [];
  for (const { line, text } of passages) {
    for (const [index, each] of text.split('\n').entries()) {
      texts.push(each);
      lines.push(line + index);
    }
    texts.push('');
    lines.push(line);
  }
  return { text: texts.join('\n').trimEnd(), lines };
}

/** Reports sentences that are too long. The message is the sentence. */
const sentenceLength: TextlintRuleModule<{ readonly longest?: number }> = (
  context,
  { longest = 25 } = {},
) => {
  const { Syntax, RuleError, getSource, report } = context;
  const judge = (node: Parameters<typeof getSource>[0] & { readonly range: readonly [number, number] }) => {
    const source = readable(getSource(node) ?? '');
    for (const { type, raw, range } of split(source)) {
      if (type !== 'Sentence') continue;
      // The splitter takes "2. A" for the number of an item.
      for (const sentence of raw.split(/(?<=[.!?][)_*"']*)\s+/)) {
        if (wordsOf(sentence) <= longest) continue;
        report(
          node,
          new RuleError(sentence.replaceAll(/\s+/g, ' '), { index: range[0] + raw.indexOf(sentence) }),
        );
      }
    }
  };
  return { [Syntax.Paragraph]: judge, [Syntax.Header]: judge, [Syntax.TableCell]: judge };
};

/** Text as it is read: code is a word, a link is its text. Lengths stay, so that places do. */
function readable(source: string): string {
  const padded = (text: string, length: number) => text.slice(0, length).padEnd(length);
  return source
    .replaceAll(
      /`[^`]*`/g,
      (code) => `x${'_'.repeat(Math.max(0, code.length - 2))}${code.length > 1 ? 'x' : ''}`,
    )
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, (link, text: string) => padded(text, link.length));
}

function wordsOf(text: string): number {
  return text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
}
