import { describe, expect, it } from 'vitest';
import { passagesOf } from '../../scripts/prose/passages.ts';
import { findingsIn } from '../../scripts/prose/rules.ts';

const RULES = {
  words: [['gizmo', 'the tool']],
  mostWords: 0,
  longest: 5,
  sentences: {},
} as const;

const textsOf = (path: string, text: string) => passagesOf(path, text).map((passage) => passage.text);

describe('what people read of a file is', () => {
  it('its comments, where lines that follow each other are one', () => {
    const code =
      '// One thought\n// on two lines.\n\nconst a = 1; // beside code\n/** A\n * block. */\nlet b;\n';
    expect(textsOf('a.ts', code)).toEqual(['One thought\non two lines.', 'beside code', 'A\nblock.']);
    expect(passagesOf('a.ts', code).map(({ line }) => line)).toEqual([1, 4, 5]);
  });

  it('its strings that are sentences, put together, with x for what is put in', () => {
    const code = `const text = 'the node says ' +\n \`\${that} it is \${count} ms late\`;\n`;
    expect(textsOf('a.ts', code)).toEqual(['the node says x it is x ms late']);
  });

  it.each([
    "'a few words'",
    "'import { a } from the file b'",
    '`const a = the best of all;`',
    "'lock:a b-c d_e f.g'",
  ])('not %s', (string) => {
    expect(textsOf('a.ts', `f(${string});`)).toEqual([]);
  });

  it('the comments of Lua, row by row of a table', () => {
    expect(textsOf('a.lua', '-- Locks it.\n-- keys   one\n--        and two\nlocal a = 1\n')).toEqual([
      'Locks it.\n\nkeys   one\n       and two',
    ]);
  });
});

describe('a passage is hard to read', () => {
  it('for a word that no reader can place, on its line', async () => {
    const found = await findingsIn([{ line: 7, text: 'It is held\nby gizmo.' }], RULES);
    expect(found).toMatchObject([{ kind: 'word', line: 8, message: expect.stringContaining('the tool') }]);
  });

  it('for a sentence that is too long, and not for two short ones', async () => {
    const found = await findingsIn(
      [{ line: 1, text: 'One two three four five six. One two three. A.' }],
      RULES,
    );
    expect(found).toMatchObject([{ kind: 'sentence', length: 6, message: 'One two three four five six.' }]);
  });

  it('but code is one word, and the target of a link none', async () => {
    const text = 'The call `using(a, b, c, d)` is [on this page](a b c).';
    expect(await findingsIn([{ line: 1, text }], { ...RULES, longest: 7 })).toEqual([]);
  });
});
