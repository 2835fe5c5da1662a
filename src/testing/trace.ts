import type { Reply } from '../base/vote.ts';
import { decode } from '../wire/operation.ts';
import { batchScript, markerScript } from '../wire/scripts.ts';
import { type Request, requestsOf } from './batch-request.ts';
import type { ScriptReply } from './lua-values.ts';
import type { Timeline } from './timeline.ts';

/** The events of a simulation, a line each, for a person to read: when, where, what. */
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

/** A script call and the server's answer. */
export function describeCall(
  sha1: string,
  keys: readonly string[],
  args: readonly (string | number)[],
  reply: readonly ScriptReply[],
): string {
  if (sha1 === markerScript.sha1) return describeMarkerCall(args, reply);
  if (sha1 !== batchScript.sha1) return `script ${sha1}`;
  return requestsOf(keys, args)
    .map((request, index) => `${describeRequest(request)}: ${describeReply(decode(reply[index + 1]))}`)
    .join('; ');
}

function describeRequest(request: Request): string {
  const terms = termsOf(request).filter((term) => term !== '');
  const what = `${request.name} ${request.keys.join(' + ')}`;
  return terms.length === 0 ? what : `${what} (${terms.join(', ')})`;
}

function termsOf({ name, value, ttl, number, member, score, previous }: Request): readonly string[] {
  if (name === 'enter') return [`waiter ${nameOf(value)} since ${ttl}`];
  if (name === 'leave') return [`waiter ${nameOf(value)}`];
  return [
    value === '' ? '' : `value ${nameOf(value)}`,
    Number(ttl) > 0 ? `ttl ${ttl}` : '',
    number === undefined || number === 0 ? '' : `number ${number}`,
    member === '' ? '' : `waiter ${nameOf(member)} since ${score}`,
    previous === '' ? '' : `after ${nameOf(previous)}`,
  ];
}

function describeReply(reply: Reply): string {
  const { outcome, ...details } = reply;
  const facts = Object.entries(details).map(([name, fact]) => `${name} ${describeFact(fact)}`);
  return [outcome, ...facts].join(', ');
}

type Item = number | { readonly member: string };

function describeFact(fact: string | number | boolean | readonly Item[]): string {
  if (typeof fact !== 'object') return String(fact);
  return fact.map((item) => (typeof item === 'number' ? item : nameOf(item.member))).join(' < ');
}

/** Lock values and waiters are `<process>.<count>`: the end tells them apart. */
function nameOf(value: string): string {
  return value.slice(-6);
}

/** Lua answers with a table: time, run id, role, marker, whether it was written, and settings. */
function describeMarkerCall([marker]: readonly (string | number)[], reply: readonly ScriptReply[]): string {
  const stands = `marker ${reply[3] === '' ? 'none' : String(reply[3])}`;
  if (marker === '') return `look: ${stands}`;
  return `write marker ${marker}: ${reply[4] === 1 ? 'written' : `not written, ${stands}`}`;
}
