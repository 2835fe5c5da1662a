import type { Clock } from '../../../src/base/clock.ts';
import { HEADER_LENGTH } from '../../../src/testing/batch-request.ts';
import type { Machine } from '../../../src/testing/machine.ts';
import type { SimulatedClient } from '../../../src/testing/simulated-client.ts';
import { batchScript } from '../../../src/wire/scripts.ts';
import type { Broken } from './mix.ts';

/** How many arguments each operation of a batch has, and where its number is. */
const OPERATION_LENGTH = 5;
const NUMBER_AT = 4;

/** The answer to an operation that was done. */
const GRANTED = 1;

/** A clock that is nothing but the wall clock. */
export function wallClockOf({ clock }: Machine): Clock {
  const wall = () => clock.wall();
  return {
    monotonic: wall,
    wall,
    uptime: wall,
    after: (delayMs, callback) => clock.after(delayMs, callback),
  };
}

/** Has a machine's commands arrive at the nodes without the rule that is to be missed. */
export function weaken({ clients }: Machine, broken: Broken): void {
  if (broken === 'no confirm') for (const client of clients) replaceCalls(client, confirmNothing);
  if (broken === 'owner-only extend') for (const client of clients) replaceCalls(client, askForTheOwnerOnly);
}

type Send = SimulatedClient['evalsha'];

function replaceCalls(
  client: SimulatedClient,
  change: (kind: unknown, call: Parameters<Send>, send: Send) => Promise<unknown>,
): void {
  const send = client.evalsha.bind(client);
  client.evalsha = (...call) => {
    const [sha1, , args] = call;
    const isOne = sha1 === batchScript.sha1 && args.length === HEADER_LENGTH + OPERATION_LENGTH;
    return isOne ? change(args[HEADER_LENGTH], call, send) : send(...call);
  };
}

/** The node is taken to have confirmed what it never heard of. */
async function confirmNothing(kind: unknown, call: Parameters<Send>, send: Send): Promise<unknown> {
  if (kind !== 'confirm') return send(...call);
  const [sha1, keys, args] = call;
  const inspection = [...args.slice(0, HEADER_LENGTH), 'inspect', 1, '', 0, ''];
  const answer = await send(sha1, keys.slice(0, 2), inspection);
  const [time] = Array.isArray(answer) ? (answer as readonly unknown[]) : [];
  return [time, [GRANTED, args[HEADER_LENGTH + NUMBER_AT]]];
}

/** As without fencing: any owner of the key may extend it, whatever token has been given since. */
async function askForTheOwnerOnly(kind: unknown, call: Parameters<Send>, send: Send): Promise<unknown> {
  if (kind !== 'extend') return send(...call);
  const [sha1, keys, args] = call;
  const plain = args.with(HEADER_LENGTH + NUMBER_AT, '');
  const answer = await send(sha1, keys.slice(0, 2), plain);
  // A node that agrees says so with the token, or it is not believed.
  const [time, reply] = Array.isArray(answer) ? (answer as readonly unknown[]) : [];
  const agrees = Array.isArray(reply) && reply[0] === GRANTED;
  return agrees ? [time, [GRANTED, args[HEADER_LENGTH + NUMBER_AT]]] : answer;
}
