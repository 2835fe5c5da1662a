import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Peer, TTL_MS } from './peer.ts';

const LINE_FEED = 0x0a;

/**
 * What sockets and servers can do at the most: bytes that were encoded beforehand, written once a tick, and replies that
 * are only counted. Two commands a lock, no script, no token, no timeout. A majority is waited for.
 */
export async function start(urls: readonly string[]): Promise<Peer> {
  const lines = urls.map((url) => new Line(url));
  await Promise.all(lines.map((line) => line.connected()));
  const ask = (bytes: string) =>
    new Promise<void>((resolve) => {
      let missing = Math.floor(lines.length / 2) + 1;
      const count = () => {
        missing -= 1;
        if (missing === 0) resolve();
      };
      for (const line of lines) line.send(bytes, count);
    });
  const encoded = new Map<string, { readonly take: string; readonly give: string }>();
  const encode = (resource: string) => {
    const take = command('SET', resource, 'a value that is as long', 'NX', 'PX', String(TTL_MS));
    const bytes = { take, give: command('DEL', resource) };
    encoded.set(resource, bytes);
    return bytes;
  };
  return {
    acquire: async (resource) => {
      const { take, give } = encoded.get(resource) ?? encode(resource);
      await ask(take);
      return () => ask(give);
    },
    close: async () => {
      for (const line of lines) line.close();
    },
  };
}

/** A connection to one server, whose replies have one line each. */
class Line {
  readonly #socket: Socket;
  #listeners: (() => void)[] = [];
  #next = 0;
  #unsent = '';

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.on('data', (bytes) => {
      for (const byte of bytes) if (byte === LINE_FEED) this.#heard();
    });
  }

  async connected(): Promise<void> {
    await once(this.#socket, 'connect');
  }

  send(bytes: string, listener: () => void): void {
    this.#listeners.push(listener);
    if (this.#unsent === '') queueMicrotask(() => this.#flush());
    this.#unsent += bytes;
  }

  close(): void {
    this.#socket.destroy();
  }

  #flush(): void {
    this.#socket.write(this.#unsent, 'latin1');
    this.#unsent = '';
  }

  #heard(): void {
    this.#listeners[this.#next]?.();
    this.#next += 1;
    if (this.#next < 1_024) return;
    this.#listeners = this.#listeners.slice(this.#next);
    this.#next = 0;
  }
}

/** `$-1`, the reply of a key that is taken, has one line too. */
function command(...args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`;
}
