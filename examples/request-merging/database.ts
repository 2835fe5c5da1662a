import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';

/** What a query waits for the network and for disks, however many others wait beside it. */
const LATENCY_MS = 300;

/** A real PostgreSQL that is slow, and can be asked for one report, over HTTP. It counts what it is asked. */
export class SlowDatabase implements AsyncDisposable {
  readonly url: string;
  queries = 0;
  readonly #postgres: PGlite;
  readonly #server: Server;

  private constructor(postgres: PGlite, server: Server) {
    this.#postgres = postgres;
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    server.on('request', async (_, response) => {
      response.end(await this.#report());
    });
  }

  static async start(): Promise<SlowDatabase> {
    const postgres = await PGlite.create();
    await postgres.exec(`
      CREATE TABLE orders (id int PRIMARY KEY, amount int NOT NULL);
      INSERT INTO orders SELECT i, i % 100 FROM generate_series(1, 5000) AS i;
    `);
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new SlowDatabase(postgres, server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close().closeAllConnections();
    await this.#postgres.close();
  }

  async #report(): Promise<string> {
    this.queries += 1;
    await sleep(LATENCY_MS);
    const { rows } = await this.#postgres.query<object>('SELECT sum(amount)::int AS revenue FROM orders');
    return JSON.stringify(rows[0]);
  }
}
