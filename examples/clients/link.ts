import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { CheckedLink } from 'quorlock/testing';

/** A proxy in front of a server on this machine, for `checkClient()`. */
export class Link implements CheckedLink {
  url = '';
  #port = 0;
  readonly #server: number;
  readonly #listener = createServer((client) => this.#join(client));
  readonly #pairs = new Set<{ client: Socket; server: Socket }>();
  readonly #forgotten: Socket[] = [];
  readonly #cut = { up: false, down: false };
  #trap: ((sprung: boolean) => void) | undefined;

  constructor(server: number) {
    this.#server = server;
  }

  async open(): Promise<this> {
    await once(this.#listener.listen(this.#port, '127.0.0.1'), 'listening');
    this.#port = (this.#listener.address() as AddressInfo).port;
    this.url = `redis://127.0.0.1:${this.#port}`;
    return this;
  }

  async refuse(on: boolean): Promise<void> {
    if (on) this.#listener.close();
    else if (!this.#listener.listening) await this.open();
  }

  resetAll(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  cut(direction: 'up' | 'down' | 'both'): void {
    if (direction !== 'down') this.#cut.up = true;
    if (direction !== 'up') this.#cut.down = true;
    this.#apply();
  }

  forget(): void {
    for (const { client, server } of this.#pairs) this.#forgotten.push(client.pause(), server.pause());
    this.#pairs.clear();
  }

  resetAfterNextBytes(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#trap = resolve;
    });
  }

  async heal(): Promise<void> {
    Object.assign(this.#cut, { up: false, down: false });
    this.#apply();
    await this.refuse(false);
  }

  async close(): Promise<void> {
    await this.refuse(true);
    this.resetAll();
    for (const socket of this.#forgotten) socket.destroy();
  }

  #join(client: Socket): void {
    const server = connect(this.#server, '127.0.0.1');
    const pair = { client, server };
    this.#pairs.add(pair);
    client.on('data', (bytes) => {
      const trap = this.#trap;
      this.#trap = undefined;
      if (trap === undefined) return void server.write(bytes);
      client.resetAndDestroy();
      server.end(bytes).once('end', () => trap(true));
    });
    server.on('data', (bytes) => client.write(bytes));
    for (const [one, other] of [[client, server] as const, [server, client] as const]) {
      one.on('error', () => other.destroy()).on('close', () => this.#pairs.delete(pair) && other.end());
    }
    this.#apply();
  }

  #apply(): void {
    for (const { client, server } of this.#pairs) {
      if (this.#cut.up) client.pause();
      else client.resume();
      if (this.#cut.down) server.pause();
      else server.resume();
    }
  }
}
