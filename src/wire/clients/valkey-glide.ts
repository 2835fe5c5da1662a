import { EventEmitter } from 'node:events';
import { SystemClock, type Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/describe.ts';
import { type Connect, type Driver, DriverError, hostAndPort, SILENCE_MS } from './driver.ts';
import { DuplicateError } from './duplicate.ts';
import type { ConnectionOptions } from './reason.ts';
import { type Connection, type Dialler, ReconnectingClient } from './reconnecting-client.ts';

/** A `GlideClient` of Valkey GLIDE, as far as the library uses a program's client: its class and its configuration. */
export interface GlideClientLike {
  customCommand(words: never, options?: never): Promise<unknown>;
  getSubscriptions(): Promise<unknown>;
  close(errorMessage?: string): void;
}

/** A client of GLIDE that is the library's own. */
interface OwnClient {
  customCommand(words: readonly string[]): Promise<unknown>;
  subscribe(channels: ReadonlySet<string>, timeoutMs: number): Promise<unknown>;
  unsubscribe(channels: ReadonlySet<string>, timeoutMs: number): Promise<unknown>;
  close(): void;
}

interface Configuration {
  readonly addresses: readonly { readonly host: string; readonly port?: number }[];
  readonly useTLS?: boolean;
  readonly credentials?: { readonly username?: string | undefined; readonly password?: string };
  readonly databaseId?: number;
  readonly advancedConfiguration?: object;
}

interface GlideClass {
  createClient(configuration: object): Promise<OwnClient>;
}

interface GlideMessage {
  readonly message: unknown;
  readonly channel: unknown;
}

export const valkeyGlide: Driver<GlideClientLike> = {
  name: '@valkey/valkey-glide',
  is: isGlideClient,
  refusal: (candidate) =>
    'invokeScriptWithRoute' in candidate && 'customCommand' in candidate
      ? 'a Cluster client of Valkey GLIDE: hand in a Cluster of ioredis or iovalkey, or clients of single masters'
      : undefined,
  addressOf: (client) => addressOf(configurationOf(client)),
  adopt: (client) => {
    const configuration = configurationOf(client);
    const Class = client.constructor as unknown as Partial<GlideClass>;
    if (configuration === undefined || typeof Class.createClient !== 'function') {
      throw new DuplicateError('it does not tell how it connects');
    }
    return new ReconnectingClient(new GlideDialler(Class as GlideClass, configuration));
  },
  load: async () => {
    try {
      return connectWith((await import('@valkey/valkey-glide')).GlideClient as unknown as GlideClass);
    } catch (error) {
      throw new DriverError('@valkey/valkey-glide', error);
    }
  },
};

function isGlideClient(candidate: unknown): candidate is GlideClientLike {
  if (typeof candidate !== 'object' || candidate === null || 'invokeScriptWithRoute' in candidate)
    return false;
  const { customCommand, getSubscriptions, close } = candidate as Partial<GlideClientLike>;
  return [customCommand, getSubscriptions, close].every((method) => typeof method === 'function');
}

function configurationOf(client: object): Configuration | undefined {
  const { config } = client as { readonly config?: Partial<Configuration> };
  return Array.isArray(config?.addresses) ? (config as Configuration) : undefined;
}

function addressOf(configuration: Configuration | undefined): string {
  const [first] = configuration?.addresses ?? [];
  return hostAndPort(first?.host, first?.port);
}

function connectWith(Class: GlideClass): Connect {
  return ({ host, port, tls, db, username, password }) =>
    new ReconnectingClient(
      new GlideDialler(Class, {
        addresses: [{ host, port }],
        useTLS: tls,
        databaseId: db,
        ...(password === undefined ? {} : { credentials: { username, password } }),
      }),
    );
}

class GlideDialler implements Dialler {
  readonly address: string;
  readonly options: ConnectionOptions;
  readonly sharesSubscriptions = true;
  readonly #class: GlideClass;
  readonly #configuration: Configuration;

  constructor(Class: GlideClass, configuration: Configuration) {
    const { useTLS, credentials } = configuration;
    this.address = addressOf(configuration);
    this.options = { tls: useTLS, password: credentials?.password };
    this.#class = Class;
    this.#configuration = configuration;
  }

  dial(name: string): Connection {
    return new GlideConnection((hear) =>
      this.#class.createClient({
        ...this.#configuration,
        clientName: name,
        // The default, RESP3: with RESP2 it does not subscribe.
        protocol: undefined,
        requestTimeout: SILENCE_MS,
        inflightRequestsLimit: undefined,
        readFrom: 'primary',
        readOnly: undefined,
        lazyConnect: false,
        defaultDecoder: undefined,
        clientSideCache: undefined,
        compression: undefined,
        clientCircuitBreaker: undefined,
        connectionBackoff: { numberOfRetries: 1, factor: 25, exponentBase: 2 },
        pubsubSubscriptions: { channelsAndPatterns: {}, callback: hear },
        advancedConfiguration: { ...this.#configuration.advancedConfiguration, connectionTimeout: 2_000 },
      }),
    );
  }

  greetingFailed(): void {}
}

const LOOK_MS = 500;

/**
 * How long the answer to that may take: longer than a healthy server is busy as a rule. No longer, since the driver keeps
 * commands while it connects anew, and does not tell.
 */
const LONGEST_LOOK_MS = 3_000;

const SUBSCRIBE_MS = 5_000;

/**
 * A connection of GLIDE. The driver makes a lost one anew without a word. So the client asks the server for the
 * connection's number now and then. With another number, or no answer, this connection is lost.
 */
class GlideConnection extends EventEmitter implements Connection {
  readonly #create: (hear: (message: GlideMessage) => void) => Promise<OwnClient>;
  readonly #clock = new SystemClock();
  readonly #listeners = new Map<string, (message: string) => void>();
  #client: OwnClient | undefined;
  #id: unknown;
  #last: Promise<unknown> = Promise.resolve();
  #timer: Timer | undefined;
  #isEnded = false;
  /** The driver gives none to commands whose client is closed. */
  #lossReason: unknown = new Error('the connection is lost');

  constructor(create: (hear: (message: GlideMessage) => void) => Promise<OwnClient>) {
    super();
    this.#create = create;
  }

  async connect(): Promise<void> {
    const hear = ({ channel, message }: GlideMessage) =>
      this.#listeners.get(String(channel))?.(String(message));
    const client = await this.#create(hear).catch((error: unknown) => {
      // The library names the address itself.
      const [, why = messageOf(error)] = /for address `[^`]*`: (.*?)\s*\)?$/s.exec(messageOf(error)) ?? [];
      throw new Error(textOf(why));
    });
    this.#client = client;
    this.emit('connect');
    if (this.#isEnded) return client.close();
    this.#id = await this.#ask();
    this.emit('ready');
    this.#lookLater();
  }

  destroy(): void {
    this.#isEnded = true;
    this.#timer?.cancel();
    this.#client?.close();
  }

  /** The driver changes the order of commands that are under way at the same time: each waits for the one before. */
  sendCommand(words: readonly string[]): Promise<unknown> {
    const answer = this.#last.then(() => this.#send(words));
    this.#last = answer.catch(ignore);
    return answer;
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    this.#listeners.set(channel, listener);
    await this.#client?.subscribe(new Set([channel]), SUBSCRIBE_MS).catch((error: unknown) => {
      this.#lost(error);
      throw this.#lossReason;
    });
  }

  async unsubscribe(channel: string): Promise<void> {
    this.#listeners.delete(channel);
    await this.#client?.unsubscribe(new Set([channel]), SUBSCRIBE_MS);
  }

  async #send(words: readonly string[]): Promise<unknown> {
    if (this.#client === undefined || this.#isEnded) throw this.#lossReason;
    try {
      return await this.#client.customCommand(words);
    } catch (error) {
      if (isOfServer(error)) throw new Error(textOf(messageOf(error)));
      this.#lost(error);
      throw this.#lossReason;
    }
  }

  /** The connection's number at the server; undefined where the user may not ask for it. */
  #ask(): Promise<unknown> {
    return this.#send(['CLIENT', 'ID']).catch((error: unknown) => {
      if (this.#isEnded) throw error;
      return undefined;
    });
  }

  #lookLater(): void {
    if (this.#isEnded || this.#id === undefined) return;
    this.#timer = this.#clock.after(LOOK_MS, () => this.#look(), { keepAlive: false });
  }

  #look(): void {
    const tooLate = () => this.#lost(new Error(`no answer within ${LONGEST_LOOK_MS} ms`));
    this.#timer = this.#clock.after(LONGEST_LOOK_MS, tooLate, { keepAlive: false });
    this.#ask().then((id) => {
      this.#timer?.cancel();
      if (id !== this.#id) this.#lost(new Error('the server closed the connection'));
      this.#lookLater();
    }, ignore);
  }

  #lost(error: unknown): void {
    if (this.#isEnded) return;
    this.#lossReason = error;
    this.emit('error', error);
    this.destroy();
  }
}

/** The driver's own errors are about connections; all others are the server's. */
function isOfServer(error: unknown): boolean {
  const { name } = Object(error) as { readonly name?: unknown };
  return name !== 'ConnectionError' && name !== 'TimeoutError' && name !== 'ClosingError';
}

/** What the driver makes of the codes of errors that it knows. */
const CODES: Readonly<Record<string, string>> = {
  ResponseError: 'ERR',
  NoScriptError: 'NOSCRIPT',
  ReadOnly: 'READONLY',
  BusyLoadingError: 'LOADING',
  MasterDown: 'MASTERDOWN',
  PermissionDenied: 'NOPERM',
  Moved: 'MOVED',
  Ask: 'ASK',
  ClusterDown: 'CLUSTERDOWN',
  CrossSlot: 'CROSSSLOT',
  TryAgain: 'TRYAGAIN',
};

function textOf(message: string): string {
  const [, word = '', rest = ''] =
    /^(?:An error was signalled by the server: - )?(\w+): (.*)$/s.exec(message) ?? [];
  return word === '' ? message : `${CODES[word] ?? word} ${rest}`;
}

function ignore(): void {}
