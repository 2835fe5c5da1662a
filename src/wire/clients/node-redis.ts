import { messageOf } from '../../base/describe.ts';
import { type Connect, type Driver, DriverError, hostAndPort } from './driver.ts';
import { type DriverOptions, duplicateOf } from './duplicate.ts';
import type { ConnectionOptions } from './reason.ts';
import { type Connection, type Dialler, ReconnectingClient } from './reconnecting-client.ts';

/** A client of node-redis, as `createClient()` makes it, as far as the library uses a program's client. */
export interface NodeRedisClient {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  /** How many connections the client has had. */
  readonly socketEpoch: number;
  /** Makes another client for the same server, which is not connected yet. */
  duplicate(...args: never[]): unknown;
}

/** A client of node-redis that is the library's own. It takes texts only. */
interface OwnClient extends NodeRedisClient, Connection {
  readonly options?: object | undefined;
  duplicate(overrides: object): OwnClient;
}

const METHODS: readonly (keyof OwnClient)[] = [
  'duplicate',
  'connect',
  'destroy',
  'on',
  'sendCommand',
  'subscribe',
];

interface KnownOptions {
  readonly RESP?: number | undefined;
  readonly database?: number | undefined;
  readonly password?: string | undefined;
  readonly socket?:
    | undefined
    | {
        readonly host?: string;
        readonly port?: number;
        readonly path?: string;
        readonly tls?: boolean;
      };
}

export const nodeRedis: Driver<NodeRedisClient> = {
  name: 'redis',
  is: isNodeRedisClient,
  refusal,
  addressOf: (client) => addressOf(optionsOf(client)),
  adopt: (client) => {
    const wanted = ownOptions(optionsOf(client));
    const own = duplicateOf(client, {
      kind: 'a client of node-redis',
      args: [wanted],
      wanted,
      is: isNodeRedisClient,
      isNew: ({ isOpen, socketEpoch }) => !isOpen && socketEpoch === 0,
      end: () => undefined,
    });
    // A client that does not say which protocol it speaks may speak the old one.
    return new ReconnectingClient(new NodeRedisDialler(own, optionsOf(client).RESP !== 3));
  },
  load: async () => {
    try {
      return connectWith(await import('redis'));
    } catch (error) {
      throw new DriverError('redis', error);
    }
  },
};

function isNodeRedisClient(candidate: unknown): candidate is NodeRedisClient & OwnClient {
  if (typeof candidate !== 'object' || candidate === null) return false;
  const client = candidate as Partial<Record<keyof OwnClient, unknown>>;
  return (
    typeof client.isOpen === 'boolean' &&
    typeof client.socketEpoch === 'number' &&
    METHODS.every((name) => typeof client[name] === 'function')
  );
}

/** What else node-redis makes, by a member that nothing else of it has, and what to hand in instead. */
const OTHER_KINDS = [
  ['totalClients', 'a pool of node-redis: hand in a client, as createClient() makes it, or a URL'],
  [
    'getSentinelNode',
    'a Sentinel client of node-redis: hand in an ioredis client with sentinels, or a client of the master',
  ],
  [
    'getSlotMaster',
    'a Cluster client of node-redis: hand in a Cluster of ioredis, or clients of single masters',
  ],
  ['isOpen', 'a client of node-redis before 5.12: use a newer one'],
] as const;

function refusal(candidate: object): string | undefined {
  if (isNodeRedisClient(candidate) || !('sendCommand' in candidate)) return undefined;
  return OTHER_KINDS.find(([member]) => member in candidate)?.[1];
}

function connectWith({ createClient }: { readonly createClient?: unknown }): Connect {
  if (typeof createClient !== 'function') throw new Error('it is too old');
  return ({ host, port, tls, family, db, username, password }) => {
    const options = { username, password, database: db, socket: { host, port, tls, family } };
    const template: unknown = createClient({ ...options, ...ownOptions(options) });
    if (!isNodeRedisClient(template)) throw new Error('it is too old');
    return new ReconnectingClient(new NodeRedisDialler(template, false));
  };
}

function optionsOf(client: object): KnownOptions {
  return (client as { readonly options?: KnownOptions }).options ?? {};
}

function addressOf({ socket }: KnownOptions): string {
  return socket?.path ?? hostAndPort(socket?.host, socket?.port);
}

/** The options of a connection of the library's own. Those that say how to connect stay the program's. */
function ownOptions({ socket, database }: KnownOptions): DriverOptions {
  return {
    // All that it says is in the other options as well.
    url: undefined,
    socket: {
      ...socket,
      connectTimeout: 2_000,
      // By itself the driver would end a connection that has nothing to do.
      socketTimeout: undefined,
      // A connection is not made again by the driver. It must not give up either: then it could not be ended any more.
      reconnectStrategy: () => 1,
    },
    database: database ?? 0,
    // With RESP3 a connection can subscribe as well.
    RESP: 3,
    disableOfflineQueue: true,
    commandsQueueMaxLength: undefined,
    // Type mappings and time limits.
    commandOptions: { timeout: undefined },
    keyPrefix: undefined,
    readonly: false,
    pingInterval: undefined,
    clientSideCache: undefined,
    emitInvalidate: false,
    maintNotifications: 'disabled',
    name: 'quorlock',
  };
}

class NodeRedisDialler implements Dialler {
  readonly address: string;
  readonly options: ConnectionOptions;
  readonly #template: OwnClient;
  readonly #speaksOldProtocol: boolean;
  /** Undefined: the old one, in a client of version 5, which asks for RESP2 as it asks for RESP3. */
  #protocol: 2 | 3 | undefined = 3;

  /**
   * @param template makes the connections, and is never connected itself
   * @param speaksOldProtocol whether the server may know RESP2 only, and hang up on a client that asks for RESP3
   */
  constructor(template: OwnClient, speaksOldProtocol: boolean) {
    const { socket, password } = optionsOf(template);
    this.address = addressOf({ socket });
    this.options = { tls: socket?.tls, password };
    this.#template = template;
    this.#speaksOldProtocol = speaksOldProtocol;
  }

  get sharesSubscriptions(): boolean {
    return this.#protocol === 3;
  }

  dial(name: string): Connection {
    // With RESP2 a name takes a command that the user may be forbidden, and the driver would connect for ever.
    return this.#template.duplicate({
      RESP: this.#protocol,
      name: this.#protocol === 3 ? name : undefined,
    });
  }

  /** A server may not know RESP3, or forbid HELLO; a proxy may hang up on it. */
  greetingFailed(error: unknown): void {
    const mayBeProtocol = this.#speaksOldProtocol || /\bhello\b/i.test(messageOf(error));
    if (mayBeProtocol) this.#protocol = this.#protocol === 2 ? undefined : 2;
  }
}
