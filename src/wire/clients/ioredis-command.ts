import type { Command } from 'ioredis';

/** Sends EVALSHA or EVAL in a text that the library encoded. */
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
    readonly #text: string;

    constructor(...[command, script, keys, args, needsKeys]: ConstructorParameters<CallClass>) {
      const shown = [script, `${keys.length}`];
      super(NAMES[command], needsKeys ? [...shown, ...keys] : shown, TEXTS);
      this.#text = encodeCall(command, script, keys, args);
    }

    override toWritable(): string {
      return this.#text;
    }
  };
  classes.set(Base, Call);
  return Call;
}

const NAMES = { evalsha: 'EVALSHA', eval: 'EVAL' } as const;

const TEXTS = { replyEncoding: 'utf8' } as const;

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

/*
 * A call goes to every node of a quorum. The naive answer is to encode it for each of them. That takes longer than all
 * else that a client does for an operation, and the calls differ in nothing but the deadline, which is in the node's own
 * time. So the text of the last call is kept, and serves for the next one that is like it.
 */

/** The end of one argument and the head of the next one, by the number of the next one's bytes. */
const heads: string[] = [];

const MOST_HEADS = 1_024;

function headOf(bytes: number): string {
  if (bytes >= MOST_HEADS) return `\r\n$${bytes}\r\n`;
  heads[bytes] ??= `\r\n$${bytes}\r\n`;
  return heads[bytes];
}

/** The place of the deadline among the arguments, see `lua/batch.lua`. */
const DEADLINE = 1;

/** A call, and its text before and after the deadline. */
interface Encoded {
  readonly call: Parameters<SendCall>;
  readonly before: string;
  readonly after: string;
}

let last: Encoded | undefined;

/** A call as it goes to a server, which is written as UTF-8. */
export function encodeCall(...call: Parameters<SendCall>): string {
  const [command, script, keys, args] = call;
  if (last === undefined || !isAlike(last, call)) {
    const head = `*${3 + keys.length + args.length}\r\n$${command.length}\r\n${command}`;
    const before = join(head, [script, keys.length, ...keys, ...args.slice(0, DEADLINE)]);
    const after = `${join('', args.slice(DEADLINE + 1))}\r\n`;
    last = { call, before, after };
  }
  const deadline = args[DEADLINE];
  return last.before + (deadline === undefined ? '' : bulk(deadline)) + last.after;
}

/** Whether two calls differ in nothing but the deadline. */
function isAlike({ call }: Encoded, [command, script, keys, args]: Parameters<SendCall>): boolean {
  const [knownCommand, knownScript, knownKeys, knownArgs] = call;
  if (knownCommand !== command || knownScript !== script) return false;
  if (knownKeys.length !== keys.length || knownArgs.length !== args.length) return false;
  for (let at = 0; at < keys.length; at += 1) if (knownKeys[at] !== keys[at]) return false;
  for (let at = 0; at < args.length; at += 1) if (knownArgs[at] !== args[at] && at !== DEADLINE) return false;
  return true;
}

function join(head: string, args: readonly (string | number)[]): string {
  const pieces = [head];
  for (const argument of args) pieces.push(bulk(argument));
  return pieces.join('');
}

function bulk(argument: string | number): string {
  const text = `${argument}`;
  return headOf(typeof argument === 'number' ? text.length : Buffer.byteLength(text)) + text;
}
