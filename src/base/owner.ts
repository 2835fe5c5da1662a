import { platform } from './platform.ts';

const LONGEST_OWNER = 64;

/** The name of this process unless the program gives another: `<host name>:<process id>`. */
export function defaultOwner(): string {
  const rest = `:${platform.processId}`;
  let host = 'unknown';
  try {
    host = platform.hostName();
  } catch {
    // Deno tells it only to a program that was allowed to ask.
  }
  return host.slice(rest.length - LONGEST_OWNER) + rest;
}

/** What makes a name unfit to be one of an owner; undefined: nothing does. A message shows it on one line. */
export function flawOf(owner: string): string | undefined {
  if (owner === '') return 'must not be empty';
  if (owner.length > LONGEST_OWNER) return `must have at most ${LONGEST_OWNER} characters`;
  if (/[\p{Control}\p{Zl}\p{Zp}]/u.test(owner)) return 'must have no control character or line break';
  // Each client's driver sends one in a form of its own, and nodes would notify a process of another name.
  return /\p{Surrogate}/u.test(owner) ? 'must have no half of a character' : undefined;
}

/** The name of a Redlock: random, so that no other has it, and then its owner. All its lock values begin with it. */
export function processOf(identifier: string, owner: string): string {
  return `${identifier}@${owner}`;
}

/**
 * The owner that a lock value or the name of a waiter tells: `<process>.<count>`; see `wire/lua/keys.lua`. Undefined for
 * the values of other libraries, and of programs that name no owner.
 */
export function ownerIn(name: string): string | undefined {
  return /^[\w-]+@(.+)\.[^.]+$/s.exec(name)?.[1];
}
