import type { Command } from 'ioredis';

/** Sends EVALSHA or EVAL in bytes that the library encoded. */
export type SendCall = (
  command: 'evalsha' | 'eval',
  script: string,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<unknown>;

type CallClass = new (...call: [...Parameters<SendCall>, needsKeys: boolean]) => Command;

/** One for each copy of the driver that a program has. */
const classes = new WeakMap<typeof Command, CallClass>();

/**
 * A call that is encoded already. The driver learns no more of its arguments than it needs. A program may transform the
 * arguments and replies of its commands (`Command.setReplyTransformer`), which the driver finds by a name in lower
 * case. A name in capitals is the same command to the server, and its answer stays as it is.
 */
function callClassFor(Base: typeof Command): CallClass {
  const known = classes.get(Base);
  if (known !== undefined) return known;
  const Call = class extends Base {
    readonly #bytes: Buffer;

    constructor(...[command, script, keys, args, needsKeys]: ConstructorParameters<CallClass>) {
      const shown = [script, `${keys.length}`];
      super(command.toUpperCase(), needsKeys ? [...shown, ...keys] : shown, { replyEncoding: 'utf8' });
      this.#bytes = encodeCall(command, script, keys, args);
    }

    override toWritable(): Buffer {
      return this.#bytes;
    }
  };
  classes.set(Base, Call);
  return Call;
}

interface Sender {
  readonly isCluster: boolean;
  sendCommand?(command: never): unknown;
  evalsha(sha1: string, numberOfKeys: number): Promise<unknown>;
}

/**
 * A way to send a call that costs a fraction of the driver's own, which looks at each argument several times: a
 * `Command` for `sendCommand`, as the driver documents it. A `Cluster` has to know the keys. Undefined for a client
 * that only behaves like the driver.
 */
export function callSenderOf(client: Sender): SendCall | undefined {
  const Base = commandOf(client);
  if (Base === undefined) return undefined;
  const Call = callClassFor(Base);
  const sender = client as { sendCommand(command: Command): Promise<unknown> };
  return (command, script, keys, args) =>
    sender.sendCommand(new Call(command, script, keys, args, client.isCluster));
}

/**
 * The class of the commands that a client sends, of the client's own copy of the driver. Nothing is sent to find it.
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
  driversEvalsha(client).call(stopped, '', 0).catch(ignore);
  return typeof Base === 'function' ? (Base as typeof Command) : undefined;
}

/** The method as the driver has it: a class of the program's own may have another one. */
function driversEvalsha(client: Sender): Sender['evalsha'] {
  let evalsha = client.evalsha;
  for (let owner: unknown = client; owner !== null; owner = Object.getPrototypeOf(owner)) {
    if (Object.hasOwn(owner as object, 'evalsha')) evalsha = (owner as Sender).evalsha;
  }
  return evalsha;
}

function ignore(): void {}

/** The end of one argument and the head of the next one, by the number of the next one's bytes. */
const heads: string[] = [];

const MOST_HEADS = 1_024;

function headOf(bytes: number): string {
  if (bytes >= MOST_HEADS) return `\r\n$${bytes}\r\n`;
  heads[bytes] ??= `\r\n$${bytes}\r\n`;
  return heads[bytes];
}

/** A call as it goes to a server. It is one string first: a string of many pieces would be copied piece by piece. */
export function encodeCall(...call: Parameters<SendCall>): Buffer {
  const text = join(call, (piece) => piece.length);
  // Nearly all calls are ASCII: there are as many bytes as characters, and the shortest way to write them will do.
  if (Buffer.byteLength(text) === text.length) return Buffer.from(text, 'latin1');
  return Buffer.from(join(call, Buffer.byteLength), 'utf8');
}

function join(
  [command, script, keys, args]: Parameters<SendCall>,
  bytesOf: (text: string) => number,
): string {
  const count = `${keys.length}`;
  const pieces = [
    `*${3 + keys.length + args.length}\r\n$${command.length}\r\n${command}`,
    headOf(bytesOf(script)),
    script,
    headOf(count.length),
    count,
  ];
  for (const key of keys) pieces.push(headOf(bytesOf(key)), key);
  for (const argument of args) {
    const text = typeof argument === 'number' ? `${argument}` : argument;
    pieces.push(headOf(bytesOf(text)), text);
  }
  pieces.push('\r\n');
  return pieces.join('');
}
