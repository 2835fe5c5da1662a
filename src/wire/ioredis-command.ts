import type { Command } from 'ioredis';
import { encodeEvalsha } from './resp.ts';

/** Sends EVALSHA in bytes that the library encoded. */
export type SendEvalsha = (
  sha1: string,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<unknown>;

type EvalshaClass = new (
  sha1: string,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Command;

/** One for each copy of the driver that a program has. */
const classes = new WeakMap<typeof Command, EvalshaClass>();

/** An EVALSHA that is encoded already. The driver learns no more of its arguments than it needs. */
function evalshaFor(Base: typeof Command): EvalshaClass {
  const known = classes.get(Base);
  if (known !== undefined) return known;
  const Evalsha = class extends Base {
    readonly #bytes: Buffer;

    constructor(sha1: string, keys: readonly string[], args: readonly (string | number)[]) {
      super('evalsha', [sha1, `${keys.length}`], { replyEncoding: 'utf8' });
      this.#bytes = encodeEvalsha(sha1, keys, args);
    }

    override toWritable(): Buffer {
      return this.#bytes;
    }
  };
  classes.set(Base, Evalsha);
  return Evalsha;
}

/** The part of an ioredis client, version 5 or 6, that sends commands. */
interface Sender {
  readonly isCluster: boolean;
  sendCommand?(command: never): unknown;
  evalsha(sha1: string, numberOfKeys: number): Promise<unknown>;
}

/**
 * A way to send EVALSHA that costs a fraction of the driver's own, which looks at each argument several times. It hands
 * a `Command` to `sendCommand`, as the driver documents it. Undefined for a `Cluster`, which has to know the keys, and
 * for a client that only behaves like the driver: use its `evalsha`.
 *
 * @param client one of the library's own, which does nothing with a command but to write it
 */
export function evalshaSenderOf(client: Sender): SendEvalsha | undefined {
  const Base = client.isCluster ? undefined : commandOf(client);
  if (Base === undefined) return undefined;
  const Evalsha = evalshaFor(Base);
  const sender = client as { sendCommand(command: Command): Promise<unknown> };
  return (sha1, keys, args) => sender.sendCommand(new Evalsha(sha1, keys, args));
}

/**
 * The class of the commands that a client sends. It comes from the client's own copy of the driver, of which a program
 * may have several. Nothing is sent to find it.
 */
function commandOf(client: Sender): typeof Command | undefined {
  if (typeof client.sendCommand !== 'function') return undefined;
  let Base: unknown;
  const stopped = Object.create(client, {
    sendCommand: {
      value: (command: object) => {
        Base = command.constructor;
        return Promise.resolve();
      },
    },
  }) as Sender;
  stopped.evalsha('', 0).catch(ignore);
  return typeof Base === 'function' ? (Base as typeof Command) : undefined;
}

function ignore(): void {}
