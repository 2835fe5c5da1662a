import { decode } from '../wire/operation.ts';
import { batchScript, markerScript } from '../wire/scripts.ts';
import type { ScriptReply } from './lua-values.ts';
import type { Timeline } from './timeline.ts';

/** Where the operations of a batch begin among its arguments, and how many arguments each has; see `lua/batch.lua`. */
const HEADER_LENGTH = 5;
const OPERATION_LENGTH = 5;

/** What happens in a simulation, a line each, for a person to read: when, where, what. */
export class Trace {
  readonly #timeline: Timeline;
  readonly #listener: (line: string) => void;

  constructor(timeline: Timeline, listener: (line: string) => void) {
    this.#timeline = timeline;
    this.#listener = listener;
  }

  note(who: string, what: string): void {
    this.#listener(`${this.#timeline.nowMs.toFixed(3).padStart(12)}  ${who.padEnd(14)}  ${what}`);
  }
}

/** A script call and what the server made of it. */
export function describeCall(
  sha1: string,
  keys: readonly string[],
  args: readonly (string | number)[],
  reply: readonly ScriptReply[],
): string {
  if (sha1 === markerScript.sha1) return describeMarkerCall(args, reply);
  if (sha1 !== batchScript.sha1) return `script ${sha1}`;
  const operations: string[] = [];
  let key = args[1] === '' ? 0 : 1;
  for (let at = HEADER_LENGTH; at < args.length; at += OPERATION_LENGTH) {
    const [kind, count, value, ttl, number] = args.slice(at, at + OPERATION_LENGTH);
    const resources = keys.slice(key, key + Number(count)).join(' + ');
    key += Number(count) * (number === '' ? 1 : 2);
    const answer = decode(reply[operations.length + 1]);
    const { outcome, ...details } = answer;
    const terms = [
      value === '' ? '' : `value ${String(value).slice(-6)}`,
      Number(ttl) > 0 ? `ttl ${ttl}` : '',
      number === '' || number === 0 ? '' : `number ${number}`,
    ].filter((term) => term !== '');
    const facts = Object.entries(details).map(([name, fact]) => `${name} ${fact}`);
    operations.push(`${kind} ${resources} (${terms.join(', ')}): ${[outcome, ...facts].join(', ')}`);
  }
  return operations.join('; ');
}

/** Lua answers with a table: time, run id, role, marker, whether it was written, and settings. */
function describeMarkerCall([marker]: readonly (string | number)[], reply: readonly ScriptReply[]): string {
  const stands = `marker ${reply[3] === '' ? 'none' : String(reply[3])}`;
  if (marker === '') return `look: ${stands}`;
  return `write marker ${marker}: ${reply[4] === 1 ? 'written' : `not written, ${stands}`}`;
}
