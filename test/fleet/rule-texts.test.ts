import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Fleet } from '../../scripts/fleet/fleet.ts';
import { SIDES, textsOf, variantsOf } from '../../scripts/rules/change.ts';
import { FAULTS } from '../../scripts/rules/faults.ts';
import { RULES } from '../../scripts/rules/rules.ts';
import { batchScript, markerScript } from '../../src/wire/scripts.ts';
import { nodeAt } from '../support/deployment.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** What of a Lua file stands in a script: it has no comments, and other files stand at the places that are for them. */
const piecesOf = (text: string) => text.replace(/^ *--(?!\[).*\n/gm, '').split(/--\[\[ [\w-]+ \]\]/);

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.start(1);
});
afterAll(() => fleet.stop());

const variants = [...RULES, ...FAULTS].flatMap(variantsOf).filter(({ sides }) => sides.join() === 'lua');

test.each(variants.map((variant) => [variant.change.name, variant] as const))(
  'the scripts are scripts still without the rule that %s',
  async (_, variant) => {
    let source = '';
    for (const [path, text] of textsOf(variant, read)) {
      source ||= path === `${SIDES.lua}/marker.lua` ? markerScript.source : batchScript.source;
      const changed = piecesOf(text);
      for (const [at, piece] of piecesOf(read(path)).entries())
        source = source.replace(piece, () => changed[at] ?? '');
    }
    expect(await nodeAt(fleet, 0).command('SCRIPT', 'LOAD', source)).toMatch(/^[0-9a-f]{40}$/);
  },
);
