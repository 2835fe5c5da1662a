import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Lane, type LaneRules, OPEN_ROAD } from './lane.ts';
import { claimPort, releasePort } from './ports.ts';

/** `up` leads from the client to the server, `down` back. */
export type Direction = 'up' | 'down';

interface TcpProxyOptions {
  /** Where jitter comes from, in [0, 1). Default: Math.random. */
  readonly random?: () => number;
}

interface Trap {
  readonly direction: Direction;
  readonly settle: (sprung: boolean) => void;
}

const PORT_ATTEMPTS = 10;

/**
 * A listener in front of one server that can be told, while connections are open, to be a bad network. A
 * fault holds for the connections there are and for those to come, until `heal`.
 *
 * The kernel accepts a connection before this proxy hears of it: a client of a dead server sees its
 * connection reset rather than refused, and during a cut it can connect and then hears nothing.
 */
export class TcpProxy implements AsyncDisposable {
  readonly port: number;
  readonly url: string;
  #targetPort: number;
  readonly #random: () => number;
  readonly #rules: Record<Direction, LaneRules> = { up: { ...OPEN_ROAD }, down: { ...OPEN_ROAD } };
  readonly #links = new Set<Link>();
  #listener: Server | undefined;
  #trap: Trap | undefined;
  #stopped = false;

  private constructor(port: number, targetPort: number, options: TcpProxyOptions) {
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.#targetPort = targetPort;
    this.#random = options.random ?? Math.random;
  }

  get targetPort(): number {
    return this.#targetPort;
  }

  static async start(targetPort: number, options: TcpProxyOptions = {}): Promise<TcpProxy> {
    for (let attempt = 1; ; attempt++) {
      const proxy = new TcpProxy(await claimPort(), targetPort, options);
      try {
        await proxy.#listen();
        return proxy;
      } catch (error) {
        await proxy.stop();
        if (attempt === PORT_ATTEMPTS) throw error;
      }
    }
  }

  /** Everything takes this long to arrive, plus up to `jitterMs`; the order of bytes stays. */
  setDelayMs(upMs: number, downMs: number, jitterMs = 0): void {
    Object.assign(this.#rules.up, { delayMs: upMs, jitterMs });
    Object.assign(this.#rules.down, { delayMs: downMs, jitterMs });
    this.#pump();
  }

  /**
   * Silence: connections stay open, and bytes, ends and resets in that direction are held. They arrive after
   * `heal`, as retransmitted packets would. `cut('down')`: the server executes, the client hears nothing.
   */
  cut(direction: Direction | 'both'): void {
    if (direction !== 'down') this.#rules.up.cut = true;
    if (direction !== 'up') this.#rules.down.cut = true;
  }

  /** The bytes a second that get through at most, in each direction of each connection. */
  slowDrip(bytesPerSecond: number): void {
    if (!(bytesPerSecond > 0)) throw new RangeError(`bytesPerSecond must be above 0, not ${bytesPerSecond}`);
    this.#rules.up.bytesPerSecond = bytesPerSecond;
    this.#rules.down.bytesPerSecond = bytesPerSecond;
    this.#pump();
  }

  /** Resets (RST) every open connection, on both of its sides; what was on the way is lost. */
  resetAll(): void {
    for (const link of this.#links) link.reset();
  }

  /**
   * What a NAT does to connections that it has forgotten: nothing passes on those that are open, not even their end,
   * and `heal` does not bring it back. Connections to come pass.
   */
  forget(): void {
    for (const link of this.#links) link.forget();
  }

  /** Another server stands behind the proxy from now on, for connections to come; open ones stay where they are. */
  retarget(port: number): void {
    this.#targetPort = port;
  }

  /** Refuses new connections (ECONNREFUSED) from the call on; open ones stay. */
  async refuse(on: boolean): Promise<void> {
    if (!on) {
      await this.#listen();
    } else if (this.#listener !== undefined) {
      this.#listener.close();
      this.#listener = undefined;
    }
  }

  /**
   * Arms a trap for the next bytes that pass in one direction, on whatever connection, and springs it once.
   *
   * `up`: the request reaches the server and the client is reset before the reply. Resolves when the server
   * has dealt with the request. `down`: the reply reaches the client, which is then reset.
   *
   * Resolves with false when it is disarmed, by `heal`, `stop` or another trap, or when the server died
   * first. The next bytes are those of one read from a socket, which holds the whole of a short request.
   */
  resetAfterNextBytes(direction: Direction): Promise<boolean> {
    this.#disarm();
    return new Promise((settle) => {
      this.#trap = { direction, settle };
    });
  }

  /** Takes every fault away; what was held goes on its way. Resolves when new connections are accepted. */
  async heal(): Promise<void> {
    Object.assign(this.#rules.up, OPEN_ROAD);
    Object.assign(this.#rules.down, OPEN_ROAD);
    this.#disarm();
    this.#pump();
    await this.#listen();
  }

  /** Idempotent; resets what is still open. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#disarm();
    this.resetAll();
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener?.listening) await new Promise((closed) => listener.close(closed));
    releasePort(this.port);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #listen(): Promise<void> {
    if (this.#listener !== undefined || this.#stopped) return;
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#join(client));
    listener.listen({ host: '127.0.0.1', port: this.port, exclusive: true });
    this.#listener = listener;
    await once(listener, 'listening');
  }

  #join(client: Socket): void {
    const server = connect({ host: '127.0.0.1', port: this.#targetPort, allowHalfOpen: true, noDelay: true });
    const link = new Link(client, server, this.#rules, this.#random, (direction) => this.#spring(direction));
    this.#links.add(link);
    void link.closed.then(() => this.#links.delete(link));
  }

  #spring(direction: Direction): Trap | undefined {
    if (this.#trap?.direction !== direction) return undefined;
    const trap = this.#trap;
    this.#trap = undefined;
    return trap;
  }

  #disarm(): void {
    this.#trap?.settle(false);
    this.#trap = undefined;
  }

  #pump(): void {
    for (const link of this.#links) link.pump();
  }
}

/** One client's connection and the one to the server that it stands for. */
class Link {
  readonly closed: Promise<unknown>;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #up: Lane;
  readonly #down: Lane;
  readonly #spring: (direction: Direction) => Trap | undefined;

  constructor(
    client: Socket,
    server: Socket,
    rules: Readonly<Record<Direction, LaneRules>>,
    random: () => number,
    spring: (direction: Direction) => Trap | undefined,
  ) {
    this.#client = client;
    this.#server = server;
    this.#spring = spring;
    this.#up = new Lane({
      source: client,
      sink: server,
      rules: rules.up,
      random,
      deliver: (bytes) => this.#deliverUp(bytes),
    });
    this.#down = new Lane({
      source: server,
      sink: client,
      rules: rules.down,
      random,
      deliver: (bytes) => this.#deliverDown(bytes),
    });
    this.closed = Promise.all([
      new Promise((resolve) => client.once('close', resolve)),
      new Promise((resolve) => server.once('close', resolve)),
    ]);
  }

  pump(): void {
    this.#up.pump();
    this.#down.pump();
  }

  forget(): void {
    this.#up.close();
    this.#down.close();
  }

  reset(): void {
    this.forget();
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }

  #deliverUp(bytes: Buffer): boolean {
    const trap = this.#spring('up');
    if (trap === undefined) return this.#server.write(bytes);
    this.forget();
    this.#client.resetAndDestroy();
    // An end rather than a reset: with a reset the server's kernel would throw the request away unread. The
    // server comes to the end only after the request, and closes then.
    this.#server.once('end', () => trap.settle(true));
    this.#server.once('close', () => trap.settle(false));
    this.#server.end(bytes);
    return true;
  }

  #deliverDown(bytes: Buffer): boolean {
    const trap = this.#spring('down');
    if (trap === undefined) return this.#client.write(bytes);
    this.#client.write(bytes, () => {
      this.reset();
      trap.settle(true);
    });
    return true;
  }
}
