import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';

/** Runs one statement and gives its rows. */
export type Query = <Row>(text: string, values?: readonly (string | number)[]) => Promise<Row[]>;

interface Statement {
  readonly text: string;
  readonly values: (string | number)[];
}

/** A real PostgreSQL for several processes: it runs here, and takes statements over HTTP. */
export class PostgresServer implements AsyncDisposable {
  readonly url: string;
  /** How many statements it was sent. */
  queries = 0;
  readonly #postgres: PGlite;
  readonly #server: Server;
  readonly #latencyMs: number;

  private constructor(postgres: PGlite, server: Server, latencyMs: number) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    this.#postgres = postgres;
    this.#server = server;
    this.#latencyMs = latencyMs;
    server.on('request', async (request, response) => {
      try {
        const rows = await this.#run((await json(request)) as Statement);
        response.end(JSON.stringify(rows));
      } catch (error) {
        response.writeHead(500).end(String(error));
      }
    });
  }

  /**
   * @param schema the statements that create and fill its tables
   * @param latencyMs what every statement waits, beside the others, for a network and for disks
   */
  static async start(schema: string, latencyMs = 0): Promise<PostgresServer> {
    const postgres = await PGlite.create();
    await postgres.exec(schema);
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PostgresServer(postgres, server, latencyMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close().closeAllConnections();
    await this.#postgres.close();
  }

  async #run({ text, values }: Statement): Promise<unknown[]> {
    this.queries += 1;
    if (this.#latencyMs > 0) await sleep(this.#latencyMs);
    return (await this.#postgres.query(text, values)).rows;
  }
}

/** A way to it, from any process. */
export function connect(url: string): Query {
  return async <Row>(text: string, values: readonly (string | number)[] = []) => {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify({ text, values }) });
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()) as Row[];
  };
}
