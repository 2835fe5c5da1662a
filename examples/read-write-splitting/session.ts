import type { PGlite } from '@electric-sql/pglite';
import type { Redlock } from 'quorlock';
import { StaleTokenError } from 'quorlock/fencing';
import type { Article, Replicated } from './replicated.ts';

/** Where a session reads. */
export type Source = 'primary' | 'copy' | 'copy, by token';

/** Writes an article under its lock. Resolves with the token, by which a copy can be told from an older one. */
export function write(redlock: Redlock, { primary }: Replicated, id: number, body: string): Promise<number> {
  return redlock.using(`article:${id}`, {}, async ({ token }) => {
    const { rows } = await primary.query(
      'UPDATE articles SET body = $1, fence = $2 WHERE id = $3 AND fence <= $2 RETURNING id',
      [body, token, id],
    );
    if (rows.length === 0) throw new StaleTokenError(`article:${id}`, token);
    return token;
  });
}

/** A user who never sees an article older than what he knows of. */
export class Session {
  fromPrimary = 0;
  fromCopy = 0;
  readonly #source: Source;
  readonly #databases: Replicated;
  /** The highest token that it has seen of each article: what it wrote, read, or was told of. */
  readonly #known = new Map<number, number>();

  constructor(source: Source, databases: Replicated) {
    this.#source = source;
    this.#databases = databases;
  }

  /** It is to see this version, or a newer one, from now on. A token travels well: in a cookie, a link, a message. */
  knows(id: number, token: number): void {
    this.#known.set(id, Math.max(token, this.#known.get(id) ?? 0));
  }

  async read(id: number): Promise<Article> {
    const article = await this.#find(id);
    this.knows(id, article.fence);
    return article;
  }

  async #find(id: number): Promise<Article> {
    if (this.#source !== 'primary') {
      const article = await articleIn(this.#databases.copy, id);
      const isBehind = article.fence < (this.#known.get(id) ?? 0);
      if (this.#source === 'copy' || !isBehind) {
        this.fromCopy += 1;
        return article;
      }
    }
    this.fromPrimary += 1;
    return articleIn(this.#databases.primary, id);
  }
}

async function articleIn(database: PGlite, id: number): Promise<Article> {
  const { rows } = await database.query<Article>('SELECT id, body, fence FROM articles WHERE id = $1', [id]);
  const [article] = rows;
  if (article === undefined) throw new Error(`there is no article ${id}`);
  return article;
}
