import { messageOf, onOneLine } from '../../base/describe.ts';

/** The options of a driver's client that describe its connection; those of a Cluster's nodes are in `redisOptions`. */
export interface ConnectionOptions {
  readonly tls?: unknown;
  readonly password?: unknown;
  readonly sentinelPassword?: unknown;
  readonly redisOptions?: ConnectionOptions;
}

const SPEAKS_NO_TLS = 'if the port has no TLS, connect with redis://';
const SPEAKS_TLS = 'if the port expects TLS, connect with rediss://';
const IS_FULL = 'a server that has its maxclients hangs up, too';

/** The errors of OpenSSL for an answer that is not TLS. */
const NO_TLS = /wrong version number|packet length too long|http request|unsupported protocol/i;

/** The drivers' errors for no answer: a server of Redis waits for more of what it takes for a command. */
const NO_ANSWER = /ETIMEDOUT|timed out|timeout/i;

/** The driver's error for an answer that is not Redis's, with its first character. */
const NO_REDIS = /^(?:Unknown RESP type|Protocol error)/;

/** The first byte of a TLS alert, as the driver prints it: the server did not understand the client. */
const TLS_ALERT = /\\u0015|\b21\b/;

/** The drivers' errors for a lost connection, whatever the cause. */
const CONSEQUENCE = /^(?:Stream isn't writeable|Connection is closed|Socket closed unexpectedly)/;

/** Knows why a driver's client has no connection: it keeps the last error until a connection works. */
export class ConnectionReason {
  readonly #hasTls: boolean;
  readonly #secrets: readonly string[];
  #error: unknown;
  #isErrorOld = false;
  #wasReady = false;
  #isConnected = false;
  /** Whether the last connection ended before the server had said anything of use. */
  #endedEarly = false;

  constructor(options: ConnectionOptions) {
    const all = [options, options.redisOptions ?? {}];
    this.#hasTls = all.some(({ tls }) => Boolean(tls));
    this.#secrets = all
      .flatMap(({ password, sentinelPassword }) => [password, sentinelPassword])
      .filter((secret) => typeof secret === 'string' && secret !== '')
      .map(String);
  }

  /** The client emitted an error. What comes after the first one of a connection is a consequence of it. */
  failed(error: unknown): void {
    if (CONSEQUENCE.test(messageOf(error)) || (this.#error !== undefined && !this.#isErrorOld)) return;
    this.#error = error;
    this.#isErrorOld = false;
  }

  /** Another connection is being made. Until it fails too, the last connection's error is all that is known. */
  connecting(): void {
    this.#isErrorOld = true;
  }

  connected(): void {
    this.#isConnected = true;
  }

  ready(): void {
    this.#wasReady = true;
    this.#isConnected = false;
    this.#endedEarly = false;
    this.#error = undefined;
  }

  closed(): void {
    this.#endedEarly = this.#isConnected;
    this.#isConnected = false;
  }

  text(isEnded: boolean): string {
    if (this.#error !== undefined) return this.clean(textOf(this.#error)) + this.#hint();
    if (isEnded) return 'the client was ended';
    if (this.#wasReady) return 'the server closed the connection';
    if (this.#endedEarly) return `the server closed the connection before it answered${this.#hint()}`;
    if (this.#isConnected) return `the server takes the connection and does not answer${this.#hint()}`;
    return `there is no connection yet${this.#hasTls ? `; ${SPEAKS_NO_TLS}` : ''}`;
  }

  /** The text without anything that must not be in a log. */
  clean(text: string): string {
    let cleaned = onOneLine(text);
    for (const secret of this.#secrets) cleaned = cleaned.replaceAll(secret, '***');
    return cleaned;
  }

  /** A port that has worked is one of the right kind. */
  #hint(): string {
    if (this.#wasReady) return '';
    const message = messageOf(this.#error ?? '');
    if (this.#hasTls) return NO_TLS.test(message) || NO_ANSWER.test(message) ? `; ${SPEAKS_NO_TLS}` : '';
    if (NO_REDIS.test(message)) {
      return TLS_ALERT.test(message) ? `; ${SPEAKS_TLS}` : '; the port is not that of a Redis server';
    }
    const isCut = this.#error === undefined || /ECONNRESET|EPIPE/.test(message);
    return isCut && (this.#endedEarly || this.#isConnected) ? `; ${SPEAKS_TLS}; ${IS_FULL}` : '';
  }
}

/** The text of a connection's error, without the address: several nodes with the same error have the same text. */
function textOf(error: unknown): string {
  const { code, syscall, reason } = Object(error) as { code?: unknown; syscall?: unknown; reason?: unknown };
  if (typeof code !== 'string') return messageOf(error).replace(/\. Please report this\.?$/, '');
  if (typeof reason === 'string') return `${reason} (${code})`;
  const { errors } = Object(error) as { errors?: unknown };
  if (typeof syscall === 'string') return `${syscall} ${code}`;
  if (Array.isArray(errors)) return `connect ${code}`;
  const message = messageOf(error);
  return message.includes(code) ? message : `${message} (${code})`;
}
