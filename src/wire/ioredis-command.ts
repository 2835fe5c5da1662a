import { Command, Redis } from 'ioredis';
import { encodeEvalsha } from './resp.ts';

/** Sends EVALSHA in bytes that were made here. */
export type SendEvalsha = (
  sha1: string,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<unknown>;

/** EVALSHA, put together already. The driver is told no more of its arguments than it needs. */
class Evalsha extends Command {
  readonly #bytes: Buffer;

  constructor(sha1: string, keys: readonly string[], args: readonly (string | number)[]) {
    super('evalsha', [sha1, `${keys.length}`], { replyEncoding: 'utf8' });
    this.#bytes = encodeEvalsha(sha1, keys, args);
  }

  override toWritable(): Buffer {
    return this.#bytes;
  }
}

/**
 * A way to send EVALSHA that costs a fraction of the driver's own, which looks at each argument several times: a `Command`,
 * handed to `sendCommand`, as the driver documents it. Undefined for a client of another copy of the driver, or one that
 * has more to do with a command than to write it: use its `evalsha`.
 */
export function evalshaSenderOf(client: object): SendEvalsha | undefined {
  if (!(client instanceof Redis)) return undefined;
  const { keyPrefix, enableAutoPipelining, showFriendlyErrorStack } = client.options;
  if (keyPrefix || enableAutoPipelining || showFriendlyErrorStack) return undefined;
  return (sha1, keys, args) => client.sendCommand(new Evalsha(sha1, keys, args)) as Promise<unknown>;
}
