import { describe, read } from '../base/describe.ts';
import type { Random } from '../base/random.ts';
import { checkLatency, drawLatency, type Latency } from './latency.ts';
import { LinkDirection } from './link-direction.ts';
import type { ScriptReply } from './lua-values.ts';
import type { ServerConnection, SimulatedServer } from './simulated-node.ts';
import type { SubscribingConnection } from './subscriptions.ts';
import { Turn } from './timeline.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** The behaviour of the network to a server. May be changed at any moment. */
export interface NetworkRules {
  /** One way, for each message. Default 0.1 to 0.5 ms. */
  latency: Latency;
  /** The share of messages that never arrive, from 0 to 1, while the connection stands. Default 0. */
  loss: number;
  /**
   * The share of messages that may overtake earlier ones, from 0 to 1, as if there were several connections. Default 0.
   */
  overtaking: number;
  /**
   * The share of commands that the server does a second time, and of published messages that it sends a second time,
   * from 0 to 1. Default 0.
   */
  doubling: number;
  /** How much later the second time is. Default 1 to 10 ms. */
  doublingDelay: Latency;
  /** Pause before a connection that was lost or refused is made again, in milliseconds. Default 50. */
  reconnectDelay: number;
  /** Whether commands that had no answer are sent again on the next connection, as careless drivers do. */
  resends: boolean;
}

/**
 * @throws {TypeError} no object, or one that can't be read
 * @throws {RangeError} a value that is out of range
 */
export function checkNetwork(network: Partial<NetworkRules>): void {
  if (typeof network !== 'object' || network === null)
    throw new TypeError(`network must be an object: got ${describe(network)}`);
  const { latency, doublingDelay, loss, overtaking, doubling, reconnectDelay, resends } = read(
    'network',
    () => ({ ...network }),
  );
  if (latency !== undefined) checkLatency('network.latency', latency);
  if (doublingDelay !== undefined) checkLatency('network.doublingDelay', doublingDelay);
  for (const [name, share] of Object.entries({ loss, overtaking, doubling })) {
    if (share !== undefined && !(typeof share === 'number' && share >= 0 && share <= 1))
      throw new RangeError(`network.${name} must be a number from 0 to 1: got ${describe(share)}`);
  }
  if (reconnectDelay !== undefined && !(Number.isFinite(reconnectDelay) && reconnectDelay >= 0))
    throw new RangeError(
      `network.reconnectDelay must be milliseconds from 0: got ${describe(reconnectDelay)}`,
    );
  if (resends !== undefined && typeof resends !== 'boolean')
    throw new TypeError(`network.resends must be true or false: got ${describe(resends)}`);
}

/** A command on its way: what the server does, and the callback for the reply. */
export interface Command {
  /** Called with the server's replies. */
  readonly done?: ((reply: readonly ScriptReply[] | undefined) => void) | undefined;
  readonly run: (server: SimulatedServer) => readonly ScriptReply[];
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** The user of a connection. */
export interface ConnectionUser {
  /** The server has answered the first time. */
  ready(): void;
  /** A message was published on a channel it has subscribed to. */
  heard(channel: string, message: string): void;
  /** A connection could not be made, or has ended. */
  lost(why: string): void;
}

/** The directions in which nothing gets through. */
export interface Cut {
  readonly requests: boolean;
  readonly replies: boolean;
}

/**
 * One connection between a simulated machine and a simulated server, from the first packet to the last. As in RESP3,
 * published messages come on the connection that commands and replies use.
 */
export class Connection implements ServerConnection, SubscribingConnection {
  readonly #server: SimulatedServer;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #rules: Readonly<NetworkRules>;
  readonly #user: ConnectionUser;
  readonly #requests: LinkDirection;
  readonly #replies: LinkDirection;
  readonly #unanswered: Command[] = [];

  constructor(
    server: SimulatedServer,
    clock: VirtualClock,
    random: Random,
    rules: Readonly<NetworkRules>,
    user: ConnectionUser,
  ) {
    const { timeline } = clock;
    this.#server = server;
    this.#clock = clock;
    this.#random = random;
    this.#rules = rules;
    this.#user = user;
    this.#requests = new LinkDirection(timeline, (delayMs, happen) =>
      timeline.in(delayMs, Turn.outside, happen),
    );
    this.#replies = new LinkDirection(timeline, (delayMs, happen) => clock.arrive(delayMs, happen));
  }

  open(): void {
    this.#carry(this.#requests, () => {
      if (!this.#server.accept(this)) {
        this.#carry(this.#replies, () => this.#user.lost('the connection was refused'));
        return;
      }
      this.#server.receive(() => this.#carry(this.#replies, () => this.#user.ready()));
    });
  }

  ask(command: Command): void {
    this.#unanswered.push(command);
    this.#send(this.#requests, () => {
      this.#server.receive(() => this.#answer(command));
      if (this.#random.fraction() < this.#rules.doubling) this.#double(command);
    });
  }

  subscribe(channel: string, acknowledged: () => void): void {
    this.#carry(this.#requests, () => {
      this.#server.receive(() => {
        if (this.#server.subscribe(this, channel)) this.#carry(this.#replies, acknowledged);
      });
    });
  }

  unsubscribe(channel: string): void {
    this.#carry(this.#requests, () => {
      this.#server.receive(() => this.#server.unsubscribe(this, channel));
    });
  }

  push(channel: string, message: string): void {
    const send = () => this.#send(this.#replies, () => this.#user.heard(channel, message));
    send();
    const { doubling, doublingDelay } = this.#rules;
    if (doubling === 0 || this.#random.fraction() >= doubling) return;
    this.#clock.timeline.in(drawLatency(doublingDelay, this.#random), Turn.outside, send);
  }

  cut({ requests, replies }: Cut): void {
    if (requests) this.#requests.cut();
    if (replies) this.#replies.cut();
  }

  mend(): void {
    this.#requests.mend();
    this.#replies.mend();
  }

  /** Ends it on this side. Returns the commands that had no answer. */
  close({ requestsArrive }: { readonly requestsArrive: boolean }): readonly Command[] {
    this.#server.hangUp(this);
    this.#replies.close();
    if (!requestsArrive) this.#requests.close();
    return this.#unanswered.splice(0);
  }

  /** The server's kernel ends the connection after the last reply. */
  broken(): void {
    this.#requests.close();
    this.#carry(this.#replies, () => this.#user.lost('the server closed the connection'));
  }

  #answer(command: Command): void {
    let reply: readonly ScriptReply[];
    try {
      reply = command.run(this.#server);
    } catch (error) {
      command.done?.(undefined);
      this.#send(this.#replies, () => this.#answered(command)?.reject(error));
      return;
    }
    // Not above: what fails there would be the server's error, and the run another one.
    command.done?.(reply);
    this.#send(this.#replies, () => this.#answered(command)?.resolve(reply));
  }

  #answered(command: Command): Command | undefined {
    const index = this.#unanswered.indexOf(command);
    return index === -1 ? undefined : this.#unanswered.splice(index, 1)[0];
  }

  #double({ run }: Command): void {
    const delayMs = drawLatency(this.#rules.doublingDelay, this.#random);
    this.#clock.timeline.in(delayMs, Turn.outside, () => {
      this.#server.receive(() => {
        try {
          run(this.#server);
        } catch {
          // The command has had an answer.
        }
      });
    });
  }

  /** Sends a message that a connection can't do without: it arrives, and in order. */
  #carry(direction: LinkDirection, arrive: () => void): void {
    direction.send(drawLatency(this.#rules.latency, this.#random), arrive);
  }

  /**
   * Sends a command, its answer, or a published message. Nothing is drawn for a rule that is off, so that it changes no
   * run.
   */
  #send(direction: LinkDirection, arrive: () => void): void {
    const { latency, loss, overtaking } = this.#rules;
    if (loss > 0 && this.#random.fraction() < loss) return;
    const overtakes = overtaking > 0 && this.#random.fraction() < overtaking;
    direction.send(drawLatency(latency, this.#random), arrive, overtakes);
  }
}
