import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Account, Reading, WriteReply } from './protocol.ts';

/** The way to the store, for a worker or for the verdict. */
export class StoreClient implements Disposable {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });

  constructor(url: string) {
    this.#url = url;
  }

  read(resource: string, token: number): Promise<Reading> {
    return this.#ask<Reading>('/read', { resource, token });
  }

  write(resource: string, token: number, read: Reading): Promise<WriteReply> {
    return this.#ask<WriteReply>('/write', { resource, token, read });
  }

  accounts(): Promise<readonly Account[]> {
    return this.#ask<readonly Account[]>('/accounts', {});
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  async #ask<Reply>(path: string, body: object): Promise<Reply> {
    const response = await new Promise<{ readonly status: number | undefined; readonly body: string }>(
      (resolve, reject) => {
        const sent = request(this.#url + path, { method: 'POST', agent: this.#agent }, (incoming) => {
          text(incoming).then((received) => resolve({ status: incoming.statusCode, body: received }), reject);
        });
        sent.on('error', reject);
        sent.end(JSON.stringify(body));
      },
    );
    if (response.status !== 200) throw new Error(`the store failed at ${path}: ${response.body}`);
    return JSON.parse(response.body) as Reply;
  }
}
