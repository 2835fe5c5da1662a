import { URL } from 'node:url';
import { messageOf } from '../../base/describe.ts';
import type { Client } from '../client.ts';

/** The packages of the drivers that the library knows, as npm names them. */
export type DriverName = 'ioredis' | 'redis' | 'iovalkey' | '@valkey/valkey-glide';

/**
 * How long a connection may leave a command without any answer; then it is made anew. Longer than a healthy server is
 * busy with one.
 */
export const SILENCE_MS = 10_000;

export const NO_ANSWER = `no answer within ${SILENCE_MS} ms`;

const LONGEST_RECONNECT_MS = 500;

/** The pause before an attempt to connect again, the first of which is 1. */
export function reconnectDelayMs(attempt: number): number {
  return Math.min(25 * 2 ** Math.min(attempt, 10), LONGEST_RECONNECT_MS);
}

/** Why a driver can't be loaded. */
export class DriverError extends Error {
  /** Whether its package is just not there, as Node, a bundler or Jest say it. */
  readonly isMissing: boolean;

  constructor(name: DriverName, cause: unknown) {
    super(`${name} can't be loaded: ${messageOf(cause)}`);
    const { code } = Object(cause) as { readonly code?: unknown };
    this.isMissing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  }
}

/** A server, as a URL names it. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly db: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The version of IP; 0: any. */
  readonly family: number;
}

/** Connects to one node with driver options that are safe for locks. */
export type Connect = (server: ServerAddress) => Client;

/** A driver, as far as the library uses it. Its package is not imported before a URL needs it. */
export interface Driver<Candidate extends object = object> {
  readonly name: DriverName;
  /** Whether something is a client of this driver, even one that can't be duplicated. */
  is(candidate: unknown): candidate is Candidate;
  /** What else of this driver something is, why that can't be a node, and what can. Undefined: it is nothing of it. */
  refusal?(candidate: object): string | undefined;
  /** Where a client leads, for messages and to tell one server from another. Never holds a password. */
  addressOf(candidate: Candidate): string;
  /** Connects to the server of a program's client, and leaves that client alone. @throws {DuplicateError} it can't */
  adopt(candidate: Candidate): Client;
  /**
   * Imports the package. A bundler takes an import that is tried for one of a package that may be missing.
   *
   * @throws {DriverError} there is none, or none that will do
   */
  load(): Promise<Connect>;
}

/** Takes apart the URL of a node, which has been checked. What stands before the query is preferred to what is in it. */
export function serverAt(url: URL): ServerAddress {
  // In its normal form the scheme is in small letters.
  const { protocol, hostname, port, pathname, username, password, searchParams } = new URL(url.href);
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || 6379),
    tls: protocol === 'rediss:',
    db: Number(pathname.slice(1) || searchParams.get('db') || 0),
    username: decodeURIComponent(username) || searchParams.get('username') || undefined,
    password: decodeURIComponent(password) || searchParams.get('password') || undefined,
    family: Number(searchParams.get('family') ?? 0),
  };
}

export function hostAndPort(host = 'localhost', port = 6379): string {
  return `${/^[^[]*:/.test(host) ? `[${host}]` : host}:${port}`.toLowerCase();
}
