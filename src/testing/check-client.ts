import { createHash } from 'node:crypto';
import { type Clock, SystemClock } from '../base/clock.ts';
import { describe, list, messageOf } from '../base/describe.ts';
import type { Client, ConnectionState, Subscription } from '../wire/client.ts';

/** The way from a client to a real server, and what a check does to it. Nothing else may use it meanwhile. */
export interface CheckedLink {
  /** Where the way begins: what the client connects to. */
  readonly url: string;
  /** Resets every open connection, at both ends. What was on the way is lost. */
  resetAll(): void;
  /** From now on nothing passes on the connections that are open, and neither end is told. Later ones pass. */
  forget(): void;
  /** Refuses new connections, or takes them again. Open ones stay. */
  refuse(on: boolean): Promise<void>;
  /** From now on nothing passes in this direction, on any connection, and neither end is told. `up` is to the server. */
  cut(direction: 'up' | 'down' | 'both'): void;
  /**
   * Lets the next bytes pass to the server, and resets the client's end before the answer comes. Resolves with true once
   * the server has dealt with them.
   */
  resetAfterNextBytes(direction: 'up'): Promise<boolean>;
  /** Takes everything back. What was held on open connections arrives. */
  heal(): Promise<void>;
}

/** A client does not keep the rules of its port. */
export class ClientFaultsError extends Error {
  override readonly name = 'ClientFaultsError';
  /** What does not hold, one sentence each. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(
      `the client breaks ${faults.length} rules of its port:\n${faults.map((fault) => `- ${fault}`).join('\n')}`,
    );
    this.faults = faults;
  }
}

/**
 * Checks that a client of one's own keeps the rules of the port. They are about the shapes of replies, errors, order,
 * commands whose connection is lost, and subscriptions. Takes about half a minute, most of it for a connection that
 * dies without a word.
 *
 * @param make makes a client that connects to a server; called anew for each rule
 * @param link the way to the server, Redis 6.2 or later or Valkey; the check leaves keys that begin with `quorlock:check:`
 *   for ten minutes
 * @throws {ClientFaultsError} some rules do not hold; it lists them
 */
export async function checkClient(
  make: (url: string) => Client | Promise<Client>,
  link: CheckedLink,
): Promise<void> {
  const faults: string[] = [];
  for (const [rule, holds] of RULES) {
    const check = new Check(make, link);
    try {
      await holds(check);
    } catch (error) {
      faults.push(`${rule}: ${messageOf(error)}`);
    }
    check.end();
    await link.heal();
    // A client that never gets ready keeps no other rule.
    if (faults.length > 0 && rule === RULES[0]?.[0]) break;
  }
  if (faults.length > 0) throw new ClientFaultsError(faults);
}

/** How long something that is to happen soon may take. */
const SOON_MS = 10_000;

/** How long a connection may leave a command unanswered before the client makes another one. */
const SILENCE_MS = 30_000;

const POLL_MS = 5;

let checks = 0;

/** One rule's client, and what it needs to be checked. */
class Check {
  readonly link: CheckedLink;
  readonly states: ConnectionState[] = [];
  readonly #make: (url: string) => Client | Promise<Client>;
  readonly #clock: Clock = new SystemClock();
  readonly #clients: Client[] = [];
  readonly #name: string;

  constructor(make: (url: string) => Client | Promise<Client>, link: CheckedLink) {
    this.#make = make;
    this.link = link;
    checks += 1;
    this.#name = `quorlock:check:${process.pid}:${this.#clock.wall()}:${checks}`;
  }

  /** A key or channel of this check alone. */
  name(what = 'key'): string {
    return `${this.#name}:${what}`;
  }

  async client(): Promise<Client> {
    const client = await this.#make(this.link.url);
    this.#clients.push(client);
    client.onStateChange(() => this.states.push(client.state));
    return client;
  }

  async ready(): Promise<Client> {
    const client = await this.client();
    await this.isReady(client);
    return client;
  }

  isReady(client: Client): Promise<void> {
    return this.until(
      () => client.state === 'ready',
      () => `its state is ${client.state}, not ready`,
    );
  }

  async until(condition: () => boolean, fault: () => string, withinMs = SOON_MS): Promise<void> {
    const startMs = this.#clock.monotonic();
    while (!condition()) {
      if (this.#clock.monotonic() - startMs > withinMs) throw new Error(`${fault()}, after ${withinMs} ms`);
      await new Promise<void>((resolve) => void this.#clock.after(POLL_MS, resolve));
    }
  }

  /** How an answer comes out: its error's message if it rejects. */
  async outcome(answer: Promise<unknown>, withinMs = SOON_MS): Promise<Outcome> {
    let outcome: Outcome | undefined;
    answer.then(
      (reply) => {
        outcome = { reply };
      },
      (error: unknown) => {
        outcome = { error: messageOf(error) };
      },
    );
    await this.until(
      () => outcome !== undefined,
      () => 'a command did not settle',
      withinMs,
    );
    return outcome ?? {};
  }

  async expect(client: Client, source: string, wanted: unknown, ...args: (string | number)[]): Promise<void> {
    const { reply, error } = await this.outcome(client.eval(source, [this.name()], args));
    if (error !== undefined) throw new Error(`${source} rejects: ${error}`);
    equal(source, reply, wanted);
  }

  end(): void {
    for (const client of this.#clients) client.close();
  }
}

/** What became of a command. */
interface Outcome {
  readonly reply?: unknown;
  readonly error?: string;
}

function equal(what: string, actual: unknown, wanted: unknown): void {
  const [got, right] = [shown(actual), shown(wanted)];
  if (got !== right) throw new Error(`${what} gives ${got}, not ${right}`);
}

/** A value with its types: a number is not the text of it. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`;
  if (typeof value === 'string') return JSON.stringify(value);
  return describe(value);
}

const COUNT = "redis.call('SET', KEYS[1], '0', 'EX', 600, 'NX') return redis.call('INCR', KEYS[1])";
const COUNTED = "return tonumber(redis.call('GET', KEYS[1]) or 0)";
const APPEND =
  "redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('EXPIRE', KEYS[1], 600) return redis.call('LLEN', KEYS[1])";
const PUBLISH = "return redis.call('PUBLISH', KEYS[1], ARGV[1])";

/** A script that no server has yet. */
function unknownScript(check: Check): { readonly source: string; readonly sha1: string } {
  const source = `return ${JSON.stringify(check.name())}`;
  return { source, sha1: createHash('sha1').update(source).digest('hex') };
}

/** Without a connection, a command rejects. */
async function refusesCommands(check: Check, client: Client): Promise<void> {
  await expectRejection(check, client.eval(COUNT, [check.name()], []), 'a command without a connection');
}

async function expectRejection(
  check: Check,
  answer: Promise<unknown>,
  what: string,
  withinMs = SOON_MS,
): Promise<string> {
  const { error } = await check.outcome(answer, withinMs);
  if (error === undefined) throw new Error(`${what} is answered`);
  return error;
}

/** What one subscription has been told. */
class Ear {
  readonly subscription: Subscription | undefined;
  readonly heard: string[] = [];
  subscribed = 0;
  lost = 0;
  readonly #check: Check;
  readonly #client: Client;
  readonly #channel: string;

  constructor(check: Check, client: Client, channel: string) {
    this.#check = check;
    this.#client = client;
    this.#channel = channel;
    this.subscription = client.subscribe(channel, {
      subscribed: () => {
        this.subscribed += 1;
      },
      heard: (message) => this.heard.push(message),
      lost: () => {
        this.lost += 1;
      },
    });
  }

  isSubscribed(times: number): Promise<void> {
    return this.#check.until(
      () => this.subscribed === times,
      () => `subscribed() was called ${this.subscribed} times, not ${times}`,
    );
  }

  /** Has a message published, and expects it to be heard once. */
  async hears(message: string): Promise<void> {
    const before = this.heard.length;
    const answer = this.#client.eval(PUBLISH, [this.#channel], [message]);
    const { reply, error } = await this.#check.outcome(answer);
    if (error !== undefined) throw new Error(`PUBLISH rejects: ${error}`);
    if (!(Number(reply) >= 1)) throw new Error(`PUBLISH, once it is subscribed, gives ${shown(reply)}`);
    await this.#check.until(
      () => this.heard.length > before,
      () => `heard() was not called with ${describe(message)}`,
    );
    equal('heard()', this.heard.slice(before), [message]);
  }
}

type Rule = readonly [rule: string, holds: (check: Check) => Promise<void>];

/** The rules of the port. The first one is that there is a connection at all. */
const RULES: readonly Rule[] = [
  [
    'it becomes ready by itself, and says so',
    async (check) => {
      const client = await check.client();
      if (client.state !== 'ready') {
        equal('its first state', client.state, 'connecting');
        await check.until(
          () => check.states.includes('ready'),
          () =>
            `a listener was told of [${list(check.states)}]; its state is ${client.state} (${client.stateReason})`,
        );
      }
      equal('its state', client.state, 'ready');
      equal('the type of its address', typeof client.address, 'string');
    },
  ],
  [
    'replies have the shapes of the server’s',
    async (check) => {
      const client = await check.ready();
      await check.expect(client, 'return 1', 1);
      await check.expect(client, 'return 4503599627370497', 4503599627370497);
      await check.expect(client, 'return -7', -7);
      await check.expect(client, "return '1'", '1');
      await check.expect(client, "return ''", '');
      await check.expect(client, "return 'schlüssel 🔒'", 'schlüssel 🔒');
      await check.expect(client, "return redis.status_reply('FINE')", 'FINE');
      await check.expect(client, 'return false', null);
      await check.expect(client, 'return {}', []);
      await check.expect(client, "return {1, '2', {3, {'4'}, {}}}", [1, '2', [3, ['4'], []]]);
      await check.expect(client, "return redis.call('TIME')[1] + 0 > 0", 1);
      await check.expect(client, 'return #ARGV[1]', 3_000_000, 'x'.repeat(3_000_000));
    },
  ],
  [
    'keys and arguments arrive as they are',
    async (check) => {
      const client = await check.ready();
      const args = ['', 'a\r\nb', 'schlüssel 🔒', '$1', -5, 1_795_798_800_123_456];
      await check.expect(client, 'return ARGV', args.map(String), ...args);
      await check.expect(client, 'return {KEYS[1], #KEYS, #ARGV}', [check.name(), 1, 0]);
      const { reply } = await check.outcome(client.eval('return {#KEYS, #ARGV}', [], []));
      equal('no key and no argument', reply, [0, 0]);
    },
  ],
  [
    'a server’s error rejects, with a message that begins with its code',
    async (check) => {
      const client = await check.ready();
      const fails = client.eval("return redis.error_reply('WRONGTYPE it is wrong')", [], []);
      const message = await expectRejection(check, fails, 'an error');
      if (!message.startsWith('WRONGTYPE it is wrong'))
        throw new Error(`its message is ${describe(message)}`);
    },
  ],
  [
    'EVALSHA of a script that the server does not have rejects with NOSCRIPT; EVAL teaches it to the server',
    async (check) => {
      const client = await check.ready();
      const { source, sha1 } = unknownScript(check);
      const message = await expectRejection(check, client.evalsha(sha1, [], []), 'an unknown script');
      if (!message.startsWith('NOSCRIPT')) throw new Error(`the message is ${describe(message)}`);
      const replies = [client.eval(source, [], []), client.evalsha(sha1, [], [])];
      for (const reply of replies) equal('the script', (await check.outcome(reply)).reply, check.name());
    },
  ],
  [
    'commands arrive in the order in which they are sent',
    async (check) => {
      const client = await check.ready();
      await check.outcome(client.eval(APPEND, [check.name('other')], [0]));
      const sha1 = createHash('sha1').update(APPEND).digest('hex');
      const replies = Array.from({ length: 300 }, (_, at) =>
        at % 2 === 0
          ? client.evalsha(sha1, [check.name()], [at, 'x'.repeat(at % 7 === 0 ? 20_000 : 1)])
          : client.eval(APPEND, [check.name()], [at]),
      );
      const places = replies.map((_, at) => at);
      equal(
        'the list',
        await Promise.all(replies),
        places.map((at) => at + 1),
      );
      await check.expect(client, "return redis.call('LRANGE', KEYS[1], 0, -1)", places.map(String));
    },
  ],
  [
    'a client without a server is down and says why, and is ready once there is one',
    async (check) => {
      await check.link.refuse(true);
      const client = await check.client();
      await expectRejection(check, client.eval(COUNT, [check.name()], []), 'a command without a connection');
      await check.until(
        () => client.state === 'down',
        () => `its state is ${client.state}, not down`,
      );
      if (client.stateReason === '') throw new Error('its stateReason is empty');
      await check.link.heal();
      await check.isReady(client);
      await check.expect(client, COUNTED, 0);
    },
  ],
  [
    'a client whose server does not answer at first is of use once it does',
    async (check) => {
      check.link.cut('both');
      const client = await check.client();
      if (client.state !== 'ready') {
        await refusesCommands(check, client);
      }
      await check.link.heal();
      await check.isReady(client);
      await check.expect(client, COUNTED, 0);
    },
  ],
  [
    'when the connection is lost it is down, refuses commands and never sends them, and connects again by itself',
    async (check) => {
      const client = await check.ready();
      await check.link.refuse(true);
      check.link.resetAll();
      await check.until(
        () => client.state === 'down',
        () => `its state is ${client.state}, not down`,
      );
      if (!check.states.includes('down')) throw new Error('no listener was told that it is down');
      if (client.stateReason === '') throw new Error('its stateReason is empty');
      for (let at = 0; at < 3; at += 1) {
        await refusesCommands(check, client);
      }
      await check.link.heal();
      await check.isReady(client);
      await check.expect(client, COUNTED, 0);
    },
  ],
  [
    'a command whose answer is lost rejects, and is not sent again',
    async (check) => {
      const client = await check.ready();
      const reached = check.link.resetAfterNextBytes('up');
      const answer = client.eval(COUNT, [check.name()], []);
      await expectRejection(check, answer, 'a command on a connection that is lost');
      if (!(await reached)) throw new Error('the command did not reach the server');
      await check.isReady(client);
      await check.expect(client, COUNTED, 1);
    },
  ],
  [
    'commands that do not reach the server before the connection is lost reject, and are not sent again',
    async (check) => {
      const client = await check.ready();
      check.link.cut('up');
      const rejections = [1, 2, 3].map(() =>
        expectRejection(
          check,
          client.eval(COUNT, [check.name()], []),
          'a command on a connection that is lost',
        ),
      );
      check.link.resetAll();
      await Promise.all(rejections);
      await check.link.heal();
      await check.isReady(client);
      await check.expect(client, COUNTED, 0);
    },
  ],
  [
    'a connection that leaves commands without an answer is given up for another one',
    async (check) => {
      const client = await check.ready();
      check.link.forget();
      const answer = client.eval(COUNT, [check.name()], []);
      await expectRejection(check, answer, 'a command on a connection that is dead', SILENCE_MS);
      await check.until(
        () => client.state === 'ready',
        () => `its state is ${client.state}, not ready`,
        SILENCE_MS,
      );
      await check.expect(client, COUNTED, 0);
    },
  ],
  [
    'a subscription hears each message once, is told of a loss, and is made anew on the next connection',
    async (check) => {
      const client = await check.ready();
      const ear = new Ear(check, client, check.name());
      if (ear.subscription === undefined) return;
      await ear.isSubscribed(1);
      await ear.hears('schlüssel 🔒');
      await check.expect(client, 'return 1', 1);
      for (const times of [1, 2]) {
        check.link.resetAll();
        await check.until(
          () => ear.lost === times,
          () => `lost() was called ${ear.lost} times, not ${times}`,
        );
        await ear.isSubscribed(times + 1);
        await check.isReady(client);
        await ear.hears(`message ${times}`);
      }
      ear.subscription.close();
    },
  ],
  [
    'a subscription may begin before the client is ready, and ends without another one',
    async (check) => {
      const client = await check.client();
      const [first, second] = [1, 2].map((at) => new Ear(check, client, check.name(`channel ${at}`)));
      if (first?.subscription === undefined || second?.subscription === undefined) return;
      await Promise.all([first.isSubscribed(1), second.isSubscribed(1), check.isReady(client)]);
      await first.hears('first');
      await second.hears('second');
      first.subscription.close();
      first.subscription.close();
      let receivers: unknown = 1;
      const publish = async () => {
        receivers = (await check.outcome(client.eval(PUBLISH, [check.name('channel 1')], ['too late'])))
          .reply;
        return receivers === 0;
      };
      for (let at = 0; at < 100 && !(await publish()); at += 1) await second.hears('still there');
      equal('PUBLISH, once the subscription is closed,', receivers, 0);
      equal('heard() of the closed one', first.heard, ['first']);
      equal('lost() of the closed one', first.lost, 0);
    },
  ],
  [
    'reconnect() makes a new connection, and does nothing while one is being made',
    async (check) => {
      const client = await check.ready();
      check.link.cut('down');
      const answer = client.eval(COUNT, [check.name()], []);
      check.states.length = 0;
      equal('reconnect()', client.reconnect(), true);
      await expectRejection(check, answer, 'a command on the connection before');
      await check.until(
        () => check.states.some((state) => state !== 'ready'),
        () => 'it is still ready',
      );
      // A client that waits for no answer of the server may be ready again by now.
      if (client.state !== 'ready') equal('reconnect() while it connects', client.reconnect(), false);
      await check.link.heal();
      await check.isReady(client);
      await check.expect(client, 'return 1', 1);
    },
  ],
  [
    'a listener that is taken away is told nothing',
    async (check) => {
      const client = await check.ready();
      let told = 0;
      const stop = client.onStateChange(() => {
        told += 1;
      });
      stop();
      check.states.length = 0;
      check.link.resetAll();
      await check.until(
        () => check.states.includes('ready'),
        () => 'it was not ready again',
      );
      equal('what the listener was told', told, 0);
    },
  ],
  [
    'close() ends it for good: commands under way settle, and no other is sent',
    async (check) => {
      const client = await check.ready();
      const ear = new Ear(check, client, check.name('channel'));
      check.link.cut('down');
      const answer = client.eval(COUNT, [check.name()], []);
      client.close();
      await check.outcome(answer);
      await check.link.heal();
      await check.until(
        () => client.state === 'ended',
        () => `its state is ${client.state}, not ended`,
      );
      await expectRejection(check, client.eval(COUNT, [check.name()], []), 'a command on a closed client');
      equal('reconnect()', client.reconnect(), false);
      equal('heard()', ear.heard, []);
      client.close();
    },
  ],
];
