import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { claimPort, releasePort } from './ports.ts';
import { parse, RespError, type RespReply } from './resp.ts';

/** What the server answers to one command; a thrown {@link RespError} is an error reply. */
export type Answer = (command: string, args: readonly string[]) => RespReply;

/**
 * A server that answers what a test says: one that is too old, or tells too little of itself, is not to be found as a program.
 * It speaks RESP2 only.
 */
export class FakeServer implements AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly #listener: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number, answer: Answer) {
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.#listener = createServer((socket) => this.#serve(socket, answer));
  }

  static async start(answer: Answer): Promise<FakeServer> {
    const server = new FakeServer(await claimPort(), answer);
    server.#listener.listen({ host: '127.0.0.1', port: server.port, exclusive: true });
    await once(server.#listener, 'listening');
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((closed) => this.#listener.close(closed));
    releasePort(this.port);
  }

  #serve(socket: Socket, answer: Answer): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // A client that goes may reset its connection.
    socket.on('error', () => socket.destroy());
    let received = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      for (;;) {
        const request = parse(received, 0);
        if (request === undefined) return;
        received = received.subarray(request.next);
        const [command = '', ...args] = (Array.isArray(request.reply) ? request.reply : []).map(String);
        socket.write(replyTo(answer, command.toUpperCase(), args));
      }
    });
  }
}

function replyTo(answer: Answer, command: string, args: readonly string[]): string {
  if (command === 'HELLO') return "-ERR unknown command 'HELLO'\r\n";
  if (command === 'CLIENT') return '+OK\r\n';
  try {
    return format(answer(command, args));
  } catch (error) {
    if (error instanceof RespError) return `-${error.message}\r\n`;
    throw error;
  }
}

function format(reply: RespReply): string {
  if (reply === null) return '$-1\r\n';
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`;
  return `*${reply.length}\r\n${reply.map(format).join('')}`;
}
