import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface Entry {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
const { packages } = read('../package-lock.json') as { packages: Readonly<Record<string, Entry>> };
const entries = Object.entries(packages);

/** Whether a package is found from another one's folder, in its own `node_modules` or in one further up. */
function isLocked(name: string, from: string): boolean {
  if (packages[`${from === '' ? '' : `${from}/`}node_modules/${name}`] !== undefined) return true;
  if (from === '') return false;
  const above = from.lastIndexOf('/node_modules/');
  return isLocked(name, above === -1 ? '' : from.slice(0, above));
}

describe('package-lock.json', () => {
  it('is of the packages that package.json wants', () => {
    const { devDependencies } = read('../package.json') as { devDependencies: object };
    expect(packages['']).toMatchObject({ devDependencies });
  });

  it('has every package that another one may have, those for other platforms too: or npm ci refuses it', () => {
    const gaps = entries.flatMap(([path, { dependencies, optionalDependencies }]) =>
      Object.keys({ ...dependencies, ...optionalDependencies })
        .filter((name) => !isLocked(name, path))
        .map((name) => `${path} may have ${name}, which is not there: see CONTRIBUTING.md`),
    );
    expect(gaps).toEqual([]);
  });

  it('names no registry, and the contents of every package', () => {
    const bare = entries.filter(([path]) => path !== '');
    expect(bare.length).toBeGreaterThan(100);
    expect(bare.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
    expect(bare.filter(([, { integrity }]) => integrity === undefined).map(([path]) => path)).toEqual([]);
  });
});
