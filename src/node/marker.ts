import type { Clock, Timer } from '../base/clock.ts';
import { describe } from '../base/describe.ts';
import type { Client } from '../wire/client.ts';
import { runScript } from '../wire/run.ts';
import { markerScript } from '../wire/scripts.ts';
import type { TimeReading } from './node-time.ts';

/** The key under which a node keeps its marker. */
export const MARKER_KEY = 'quorlock:node';

/**
 * What a node remembers of its own membership, without expiry. A node votes only while its marker is active and of
 * the process that is running: one that lost its memory has no marker, or that of an earlier process.
 */
export interface Marker {
  /**
   * `joining`: the node waits until everything it may have forgotten has expired. `starting`: somebody found it
   * without a marker and means to make it active together with all others; it remembers no more than one without.
   */
  readonly state: 'active' | 'joining' | 'starting';
  /** The server process that the marker was written for. */
  readonly runId: string;
  /** Makes every marker different from all others. */
  readonly nonce: string;
  /** How many nodes the quorum has. */
  readonly nodeCount: number;
  /** The longest ttl in use, in milliseconds. Only ever raised. */
  readonly maxTtl: number;
}

/** The marker as the node keeps it; `lua/prelude.lua` reads it too. */
function formatMarker({ state, runId, nonce, nodeCount, maxTtl }: Marker): string {
  return `${state} ${runId} ${nonce} ${nodeCount} ${maxTtl}`;
}

/** A marker from what a node keeps; undefined for anything else. */
export function parseMarker(text: string): Marker | undefined {
  const [, state, runId = '', nonce = '', nodeCount, maxTtl] =
    /^(active|joining|starting) ([0-9a-f]+) (\S+) (\d+) (\d+)$/.exec(text) ?? [];
  if (state !== 'active' && state !== 'joining' && state !== 'starting') return undefined;
  return { state, runId, nonce, nodeCount: Number(nodeCount), maxTtl: Number(maxTtl) };
}

/** What a server says of itself. */
export interface NodeLook extends TimeReading {
  /** Names the running server process; another one after every restart. */
  readonly runId: string;
  readonly role: string;
  /** The marker as the node keeps it; empty if there is none. */
  readonly marker: string;
  /** Whether this look wrote the marker. */
  readonly written: boolean;
  /** Whether the server may throw keys away when its memory is full. */
  readonly evicts: boolean;
  readonly evictionPolicy: string;
}

/** The marker of the process that is running; undefined if there is none. */
export function currentMarker(look: Pick<NodeLook, 'marker' | 'runId'>): Marker | undefined {
  const marker = parseMarker(look.marker);
  return marker?.runId === look.runId ? marker : undefined;
}

/** Whether a node remembers nothing of a deployment: it has no marker, or one that only claims it for a start. */
export function isFresh(look: Pick<NodeLook, 'marker' | 'runId'>): boolean {
  return look.marker === '' || currentMarker(look)?.state === 'starting';
}

/** Whether a node has been looked at, or changed, since: who asks several nodes waits for the slowest. */
export function isOlder(look: NodeLook, known: NodeLook | undefined): boolean {
  return known !== undefined && look.receivedAtMs < known.receivedAtMs;
}

/** A marker to write, on condition that the server and its marker are still those that were seen. */
export interface MarkerWrite {
  readonly seen: Pick<NodeLook, 'runId' | 'marker'>;
  readonly marker: Marker;
  /** The server's TIME in microseconds after which nothing is written. */
  readonly deadlineUs: number;
}

/** Asks a server what it is, and writes its marker if asked to. Rejects if it has not answered after `timeoutMs`. */
export async function lookAt(
  client: Client,
  clock: Clock,
  timeoutMs: number,
  write?: MarkerWrite,
): Promise<NodeLook> {
  let timer: Timer | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = clock.after(timeoutMs, () => reject(new Error(`no answer within ${timeoutMs} ms`)));
  });
  try {
    return await Promise.race([ask(client, clock, write), tooLate]);
  } catch (error) {
    if (client.state === 'ready') throw error;
    throw new Error(`${client.stateReason} before the answer came`);
  } finally {
    timer?.cancel();
  }
}

async function ask(client: Client, clock: Clock, write: MarkerWrite | undefined): Promise<NodeLook> {
  const sentAtMs = clock.uptime();
  const args =
    write === undefined
      ? ['', '', '', 0]
      : [formatMarker(write.marker), write.seen.runId, write.seen.marker, write.deadlineUs];
  const answer = await runScript(client, markerScript, [MARKER_KEY], args);
  if (!Array.isArray(answer)) throw new Error(`an answer that is none of the script's: ${describe(answer)}`);
  const [time, runId, role, marker, written, maxMemory, evictionPolicy] = answer as readonly unknown[];
  return {
    timeUs: Number(time),
    sentAtMs,
    receivedAtMs: clock.uptime(),
    runId: String(runId),
    role: String(role),
    marker: String(marker),
    written: Number(written) === 1,
    evicts: Number(maxMemory) > 0 && evictionPolicy !== 'noeviction',
    evictionPolicy: String(evictionPolicy),
  };
}
