import { existsSync, readFileSync } from 'node:fs';
import { transform } from 'esbuild';
import { expect, test } from 'vitest';
import { textsOf, type Variant, variantsOf } from '../scripts/rules/change.ts';
import { FAULTS } from '../scripts/rules/faults.ts';
import { keyOf, noticesIn } from '../scripts/rules/page.ts';
import { RULES } from '../scripts/rules/rules.ts';

const root = new URL('../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const variants = [...RULES, ...FAULTS].flatMap(variantsOf);
const named = (list: readonly Variant[]) => list.map((variant) => [keyOf(variant), variant] as const);

test('no two rules have the same name', () => {
  expect(new Set(variants.map(keyOf)).size).toBe(variants.length);
});

test.each(named(variants))('what is to be replaced is there: %s', (_, variant) => {
  expect(textsOf(variant, read).size).toBeGreaterThan(0);
});

test('the library without a rule is code still', async () => {
  for (const variant of variants) {
    for (const [path, text] of textsOf(variant, read)) {
      if (path.endsWith('.ts')) await transform(text, { loader: 'ts', sourcefile: path });
    }
  }
});

test('docs/rules.md has a test for each', () => {
  const notices = noticesIn(read('docs/rules.md'));
  expect([...notices.keys()]).toEqual(variants.map(keyOf));
  const files = new Set([...notices.values()].map((notice) => notice?.file ?? ''));
  for (const file of files) expect(existsSync(new URL(file, root)), file).toBe(true);
  // Random sequences notice by chance: another run may not.
  for (const [key, notice] of notices) expect(notice?.test, key).not.toMatch(/random|QUORLOCK_SEED/);
});
