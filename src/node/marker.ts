import type { Clock, Timer } from '../base/clock.ts';
import type { Client } from '../wire/client.ts';
import { type HandshakeAnswer, readHandshake } from '../wire/handshake.ts';
import { checkNumbers, isCount } from '../wire/operation.ts';
import { runScript } from '../wire/run.ts';
import { markerScript } from '../wire/scripts.ts';
import { CLUSTER_SERVER, describeLacks, type Lack } from '../wire/server-errors.ts';
import type { TimeReading } from './node-time.ts';

export const MARKER_KEY = 'quorlock:node';

/** What a node remembers of its own membership, without expiry; see `membership/membership.ts`. */
export interface Marker {
  /**
   * `joining`: it waits until all that it may have forgotten has expired. `starting`: a client found it without a
   * marker, and means to make it active together with all others.
   */
  readonly state: 'active' | 'joining' | 'starting';
  /** The server process that the marker was written for. */
  readonly runId: string;
  /** Makes every marker different from all others. */
  readonly nonce: string;
  readonly nodeCount: number;
  /** The longest ttl in use, in milliseconds. Clients with longer ones raise it; only initialize() shortens it. */
  readonly maxTtl: number;
}

/** The text of a marker; `lua/prelude.lua` reads it too. */
function formatMarker({ state, runId, nonce, nodeCount, maxTtl }: Marker): string {
  checkNumbers([nodeCount, maxTtl]);
  return `${state} ${runId} ${nonce} ${nodeCount} ${maxTtl}`;
}

/** Parses the text of a marker; undefined for anything else. */
export function parseMarker(text: string): Marker | undefined {
  const [, state, runId = '', nonce = '', nodeCount, maxTtl] =
    /^(active|joining|starting) ([0-9a-f]+) (\S+) (\d+) (\d+)$/.exec(text) ?? [];
  if (state !== 'active' && state !== 'joining' && state !== 'starting') return undefined;
  const numbers = { nodeCount: Number(nodeCount), maxTtl: Number(maxTtl) };
  if (!isCount(numbers.nodeCount, 1) || !isCount(numbers.maxTtl, 1)) return undefined;
  return { state, runId, nonce, ...numbers };
}

/** What a server says of itself. */
export interface Handshake extends TimeReading, Omit<HandshakeAnswer, 'maxMemory' | 'mode' | 'lacks'> {
  /** Whether the server may throw keys away when its memory is full. */
  readonly evicts: boolean;
  /** Why waiters do not get notifications from it, and the remedy. Undefined: they do. */
  readonly deafness?: string | undefined;
}

/** Without these, locks work, and waiters ask now and then. */
const WAITING_COMMANDS: readonly string[] = ['PUBLISH', 'SUBSCRIBE'];

/** The marker of the running process; undefined if there is none. */
export function currentMarker(handshake: Pick<Handshake, 'marker' | 'runId'>): Marker | undefined {
  const marker = parseMarker(handshake.marker);
  return marker?.runId === handshake.runId ? marker : undefined;
}

/** Whether a node remembers nothing of a deployment: it has no marker, or one that only claims it for a start. */
export function isFresh(handshake: Pick<Handshake, 'marker' | 'runId'>): boolean {
  return handshake.marker === '' || currentMarker(handshake)?.state === 'starting';
}

/** Whether a node has been looked at, or changed, since: a survey of several nodes waits for the slowest. */
export function isOlder(handshake: Handshake, known: Handshake | undefined): boolean {
  return known !== undefined && handshake.receivedAtMs < known.receivedAtMs;
}

/** A marker to write, on condition that the server and its marker are still those that were seen. */
export interface MarkerWrite {
  readonly seen: Pick<Handshake, 'runId' | 'marker'>;
  readonly marker: Marker;
  /** The server's TIME in microseconds after which nothing is written. */
  readonly deadlineUs: number;
}

/** A server that can't be a node, because it lacks what locks need. The message says what to do. */
export class UnfitServerError extends Error {
  override readonly name = 'UnfitServerError';
}

/** A server that leaves a handshake unanswered. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
}

export interface HandshakeTerms {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Whether the server has to tell of itself, by INFO. */
  readonly needsInfo: boolean;
  /** Keys that no lock has, to try out what locks need, see `lua/marker.lua`; empty: nothing is tried out. */
  readonly probeKeys: readonly string[];
  readonly write: MarkerWrite | undefined;
}

/**
 * Asks a server what it is, and writes its marker if `write` is given.
 *
 * @throws {UnfitServerError} it can't be a node
 * @throws the error of the server or the driver; or it has not answered after `timeoutMs`
 */
export async function handshakeWith(client: Client, terms: HandshakeTerms): Promise<Handshake> {
  const { clock, timeoutMs } = terms;
  let timer: Timer | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = clock.after(timeoutMs, () => reject(new NoAnswerError(`no answer within ${timeoutMs} ms`)));
  });
  try {
    return await Promise.race([ask(client, terms), tooLate]);
  } catch (error) {
    if (client.state === 'ready') throw error;
    throw new Error(`${client.stateReason} before the answer came`);
  } finally {
    timer?.cancel();
  }
}

async function ask(
  client: Client,
  { clock, needsInfo, probeKeys, write }: HandshakeTerms,
): Promise<Handshake> {
  const sentAtMs = clock.uptime();
  const args =
    write === undefined
      ? ['', '', '', 0]
      : [formatMarker(write.marker), write.seen.runId, write.seen.marker, write.deadlineUs];
  checkNumbers(args);
  const answer = readHandshake(await runScript(client, markerScript, [MARKER_KEY, ...probeKeys], args));
  const { maxMemory, mode, lacks, ...told } = answer;
  if (mode === 'cluster' && !client.isCluster) throw new UnfitServerError(CLUSTER_SERVER);
  const { needed, wanted } = readLacks(lacks, told.version, needsInfo);
  if (needed !== undefined) throw new UnfitServerError(needed);
  const evicts = maxMemory > 0 && told.evictionPolicy !== 'noeviction';
  return { ...told, sentAtMs, receivedAtMs: clock.uptime(), evicts, deafness: wanted };
}

/** The commands for locks, and for waiting, that the server lacks. */
function readLacks(
  pairs: readonly string[],
  version: string,
  needsInfo: boolean,
): { readonly needed: string | undefined; readonly wanted: string | undefined } {
  const needed: Lack[] = [];
  const wanted: Lack[] = [];
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    const [command = '', error = ''] = pairs.slice(at, at + 2);
    const isNeeded = !WAITING_COMMANDS.includes(command) && (command !== 'INFO' || needsInfo);
    if (isNeeded) needed.push({ command, error });
    else if (command !== 'INFO') wanted.push({ command, error });
  }
  return { needed: describeLacks(needed, version), wanted: describeLacks(wanted, version) };
}
