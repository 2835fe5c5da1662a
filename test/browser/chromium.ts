import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Chromium under the names it is packaged with; undefined if there is none. `npm test` tries to install one. */
export function findChromium(): string | undefined {
  const { PATH: path = '' } = process.env;
  const directories = [...path.split(delimiter), '/usr/bin', '/usr/local/bin'];
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  return names.flatMap((name) => directories.map((directory) => join(directory, name))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
