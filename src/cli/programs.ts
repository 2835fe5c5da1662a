import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

/** Package managers put servers here, and the PATH of an ordinary user may lack the sbin half. */
const MORE_FOLDERS = ['/usr/local/bin', '/usr/local/sbin', '/usr/bin', '/usr/sbin', '/opt/homebrew/bin'];

/** What a name, or a path, leads to. */
export type Found =
  | { readonly kind: 'program'; readonly path: string }
  | { readonly kind: 'not-executable' | 'missing' };

/** Finds a program as a shell does: a path where there is a slash, else the first one in the folders of PATH. */
export function findProgram(name: string, folders: readonly string[] = pathFolders()): Found {
  const paths = name.includes('/') ? [resolve(name)] : folders.map((folder) => join(folder, name));
  let kind: 'missing' | 'not-executable' = 'missing';
  for (const path of paths) {
    try {
      if (!statSync(path).isFile()) continue;
      kind = 'not-executable';
      accessSync(path, constants.X_OK);
      return { kind: 'program', path };
    } catch {
      // The next folder may have it.
    }
  }
  return { kind };
}

/** As {@link findProgram}, in the folders of package managers too. */
export function findInstalled(name: string): string | undefined {
  const found = findProgram(name, [...pathFolders(), ...MORE_FOLDERS]);
  return found.kind === 'program' ? found.path : undefined;
}

function pathFolders(): readonly string[] {
  const { PATH = '' } = process.env;
  return PATH.split(delimiter).filter((folder) => folder !== '');
}

/**
 * What to put before a program so that the kernel sends it a signal when this process ends. Nothing where no
 * setpriv(1) can do that: that of BusyBox does not.
 */
export function withParent(signal: 'KILL' | 'TERM'): Promise<readonly string[]> {
  if (process.platform !== 'linux') return Promise.resolve([]);
  const prefix = ['setpriv', '--pdeathsig', signal, '--'];
  const [setpriv = '', ...options] = prefix;
  return new Promise((resolve) => {
    execFile(setpriv, [...options, 'true'], (error) => resolve(error === null ? prefix : []));
  });
}
