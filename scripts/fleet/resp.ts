import { connect } from 'node:net';

/** A reply in RESP2, the protocol a server speaks to a client that says no HELLO. */
export type RespReply = string | number | null | RespReply[];

/** The server understood the command and answered with an error. */
export class RespError extends Error {
  override readonly name = 'RespError';
}

export interface Parsed {
  readonly reply: RespReply;
  readonly next: number;
}

/**
 * One command on a connection of its own. Settles within `timeoutMs` whatever the server does: a stopped
 * process still completes the TCP handshake, in the kernel, and then never answers.
 */
export function sendCommand(
  port: number,
  args: readonly (string | number)[],
  timeoutMs: number,
): Promise<RespReply> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    const chunks: Buffer[] = [];
    const settle = (finish: () => void): void => {
      clearTimeout(timer);
      socket.destroy();
      finish();
    };
    const fail = (error: Error): void => settle(() => reject(error));
    const timer = setTimeout(() => {
      fail(new Error(`127.0.0.1:${port} did not answer ${args[0]} within ${timeoutMs} ms`));
    }, timeoutMs);
    socket.on('error', fail);
    socket.on('close', () => fail(new Error(`127.0.0.1:${port} closed the connection before it answered`)));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      try {
        const parsed = parse(Buffer.concat(chunks), 0);
        if (parsed !== undefined) settle(() => resolve(parsed.reply));
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)));
      }
    });
    socket.write(encode(args));
  });
}

function encode(args: readonly (string | number)[]): string {
  const words = args.map((arg) => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`);
  return `*${args.length}\r\n${words.join('')}`;
}

/** `undefined` while the reply is still incomplete. A request has the form of a reply. */
export function parse(bytes: Buffer, start: number): Parsed | undefined {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd === -1) return undefined;
  const line = bytes.toString('utf8', start + 1, lineEnd);
  const next = lineEnd + 2;
  const kind = bytes.toString('latin1', start, start + 1);
  switch (kind) {
    case '+':
      return { reply: line, next };
    case '-':
      throw new RespError(line);
    case ':':
      return { reply: Number(line), next };
    case '$':
      return parseBulk(bytes, next, Number(line));
    case '*':
      return parseArray(bytes, next, Number(line));
    default:
      throw new Error(`not a RESP2 reply: it begins with ${JSON.stringify(kind)}`);
  }
}

function parseBulk(bytes: Buffer, start: number, length: number): Parsed | undefined {
  if (length === -1) return { reply: null, next: start };
  const next = start + length + 2;
  return bytes.length < next ? undefined : { reply: bytes.toString('utf8', start, start + length), next };
}

function parseArray(bytes: Buffer, start: number, length: number): Parsed | undefined {
  if (length === -1) return { reply: null, next: start };
  const items: RespReply[] = [];
  let next = start;
  while (items.length < length) {
    const item = parse(bytes, next);
    if (item === undefined) return undefined;
    items.push(item.reply);
    next = item.next;
  }
  return { reply: items, next };
}
