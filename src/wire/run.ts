import { messageOf } from '../base/describe.ts';
import type { Client } from './client.ts';
import type { Script } from './scripts.ts';

/** Whether an error says that the server does not have the script: it restarted, or SCRIPT FLUSH was run. */
export function isUnknownScript(error: unknown): boolean {
  return messageOf(error).startsWith('NOSCRIPT');
}

/** Runs a script that may run late or twice without harm: by its hash and, where that is unknown, by its source. */
export async function runScript(
  client: Client,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await client.evalsha(script.sha1, keys, args);
  } catch (error) {
    if (!isUnknownScript(error)) throw error;
    return client.eval(script.source, keys, args);
  }
}
