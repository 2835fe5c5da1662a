import { type Clock, SystemClock } from '../base/clock.ts';
import { messageOf } from '../base/describe.ts';
import type { Client } from '../wire/client.ts';
import { inTime, type Look } from './deployment.ts';

/** A reading of a node's TIME: the clock of this host before and after, in milliseconds, and the TIME in microseconds. */
export interface Reading {
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  readonly timeUs: number;
}

/** What is known of one node. */
export interface Facts extends Look {
  /** The fields of INFO; empty: it could not be asked. */
  readonly info: ReadonlyMap<string, string>;
  /** What CONFIG says of persistence; undefined: it is not allowed to be asked, as with many managed servers. */
  readonly config: { readonly appendfsync: string; readonly save: string } | undefined;
  readonly readings: readonly Reading[];
  /** How many requests for the time had no answer. */
  readonly unanswered: number;
}

/** Pause between two readings of a clock. */
const READ_EVERY_MS = 100;

/** What has not answered by then does not. */
const ANSWER_MS = 5_000;

const INFO = `
local text = {}
for _, section in ipairs({ 'server', 'memory', 'persistence', 'replication', 'stats' }) do
  text[#text + 1] = redis.call('INFO', section)
end
return table.concat(text, '\\n')`;

const TIME = `local time = redis.call('TIME') return { time[1], time[2] }`;

/** Asks a node about itself, and reads its clock for so long. */
export async function factsOf(look: Look, forMs: number): Promise<Facts> {
  const none = { ...look, info: new Map(), config: undefined, readings: [], unanswered: 0 };
  if (look.failure !== undefined) return none;
  const clock = new SystemClock();
  const { client } = look;
  try {
    const info = await inTime(client.eval(INFO, [], []), ANSWER_MS);
    const config = await configOf(client);
    return { ...look, info: fieldsOf(String(info)), config, ...(await readingsOf(client, clock, forMs)) };
  } catch (error) {
    return { ...none, failure: messageOf(error) };
  }
}

async function readingsOf(client: Client, clock: Clock, forMs: number) {
  const readings: Reading[] = [];
  let unanswered = 0;
  const since = clock.monotonic();
  do {
    const sentAtMs = clock.monotonic();
    try {
      const [seconds, micros] = (await inTime(client.eval(TIME, [], []), ANSWER_MS)) as readonly unknown[];
      const timeUs = Number(seconds) * 1_000_000 + Number(micros);
      readings.push({ sentAtMs, receivedAtMs: clock.monotonic(), timeUs });
    } catch {
      unanswered += 1;
    }
    await new Promise<void>((resolve) => clock.after(READ_EVERY_MS, resolve));
  } while (clock.monotonic() - since < forMs);
  return { readings, unanswered };
}

async function configOf(client: Client): Promise<Facts['config']> {
  try {
    const [appendfsync, save] = await Promise.all(
      ['appendfsync', 'save'].map(async (name) => {
        const asking = client.send?.(['CONFIG', 'GET', name]) ?? Promise.reject(new Error());
        const reply = await inTime(asking, ANSWER_MS);
        return valueIn(reply, name);
      }),
    );
    return appendfsync === undefined || save === undefined ? undefined : { appendfsync, save };
  } catch {
    return undefined;
  }
}

/** The value of a setting in a reply, which drivers give as an array, an object, a Map, or an array of pairs. */
function valueIn(reply: unknown, name: string): string | undefined {
  if (Array.isArray(reply)) {
    const at = reply.indexOf(name);
    const pair = reply.find((each) => Object(each).key === name);
    const value: unknown = at === -1 ? Object(pair).value : reply[at + 1];
    return value === undefined ? undefined : String(value);
  }
  const value: unknown = reply instanceof Map ? reply.get(name) : Reflect.get(Object(reply), name);
  return value === undefined ? undefined : String(value);
}

function fieldsOf(text: string): ReadonlyMap<string, string> {
  return new Map([...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name = '', value = '']) => [name, value]));
}
