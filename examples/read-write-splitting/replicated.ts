import { setTimeout as sleep } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';

/** How far the copy is behind. */
const LAG_MS = 100;

/** How often it asks for what is new. */
const POLL_EVERY_MS = 10;

export interface Article {
  readonly id: number;
  readonly body: string;
  /** The fencing token of the lock under which it was written. */
  readonly fence: number;
}

interface Change extends Article {
  readonly number: number;
}

const ARTICLES = `
  CREATE TABLE articles (id int PRIMARY KEY, body text NOT NULL, fence bigint NOT NULL DEFAULT 0);
`;

/** What the primary logs, as its write-ahead log would be: every change, in order, with its time. */
const LOG = `
  CREATE TABLE changes (
    number serial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), id int, body text, fence bigint
  );
  CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO changes (id, body, fence) VALUES (NEW.id, NEW.body, NEW.fence);
      RETURN NULL;
    END
  $$;
  CREATE TRIGGER log AFTER UPDATE ON articles FOR EACH ROW EXECUTE FUNCTION log();
`;

/** Two real PostgreSQL: a primary, and a read copy that follows it with a lag. */
export class Replicated implements AsyncDisposable {
  readonly primary: PGlite;
  readonly copy: PGlite;
  readonly #ending = new AbortController();
  readonly #following: Promise<void>;

  private constructor(primary: PGlite, copy: PGlite) {
    this.primary = primary;
    this.copy = copy;
    this.#following = this.#follow();
  }

  static async start(articles: number): Promise<Replicated> {
    const [primary, copy] = await Promise.all([PGlite.create(), PGlite.create()]);
    for (const database of [primary, copy]) {
      await database.exec(ARTICLES);
      await database.query("INSERT INTO articles SELECT i, 'first' FROM generate_series(1, $1::int) AS i", [
        articles,
      ]);
    }
    await primary.exec(LOG);
    return new Replicated(primary, copy);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#following;
    await Promise.all([this.primary.close(), this.copy.close()]);
  }

  async #follow(): Promise<void> {
    for (let last = 0; !this.#ending.signal.aborted; await sleep(POLL_EVERY_MS)) {
      const { rows } = await this.primary.query<Change>(
        `SELECT number, id, body, fence FROM changes
         WHERE number > $1 AND at < clock_timestamp() - $2 * interval '1 ms' ORDER BY number`,
        [last, LAG_MS],
      );
      for (const { number, id, body, fence } of rows) {
        await this.copy.query('UPDATE articles SET body = $1, fence = $2 WHERE id = $3', [body, fence, id]);
        last = number;
      }
    }
  }
}
