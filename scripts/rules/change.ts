/** A piece of a file's text, which it has once, and what stands there instead. */
type Replacement = readonly [file: string, from: string, to: string];

/** Where a rule is kept: by the nodes' scripts, by the simulated nodes, by the library's own code. */
export const SIDES = { lua: 'src/wire/lua', model: 'src/testing', code: 'src' } as const;

export type Side = keyof typeof SIDES;

/** A rule that is taken out, or a fault that is brought back. Files are named from the folder of their side. */
export interface Change {
  /** What the rule is, or what went wrong. */
  readonly name: string;
  readonly lua?: readonly Replacement[];
  readonly model?: readonly Replacement[];
  readonly code?: readonly Replacement[];
}

/** Some sides of a change, made together. */
export interface Variant {
  readonly change: Change;
  readonly sides: readonly Side[];
}

/** Each side alone; and scripts and simulated nodes together, which then agree. */
export function variantsOf(change: Change): readonly Variant[] {
  const alone = (Object.keys(SIDES) as Side[]).filter((side) => change[side] !== undefined);
  const variants: Variant[] = alone.map((side) => ({ change, sides: [side] }));
  if (change.lua !== undefined && change.model !== undefined)
    variants.push({ change, sides: ['lua', 'model'] });
  return variants;
}

/**
 * The texts of the files that a variant changes, by their paths from the root.
 *
 * @param read the text of a file as it is
 * @throws {Error} a file does not have a text, or more than once
 */
export function textsOf({ change, sides }: Variant, read: (path: string) => string): Map<string, string> {
  const texts = new Map<string, string>();
  for (const side of sides) {
    for (const [file, from, to] of change[side] ?? []) {
      const path = `${SIDES[side]}/${file}`;
      const text = texts.get(path) ?? read(path);
      const pieces = text.split(from);
      if (pieces.length !== 2) {
        throw new Error(`${path} has ${pieces.length - 1} times what "${change.name}" replaces: ${from}`);
      }
      texts.set(path, pieces.join(to));
    }
  }
  return texts;
}
