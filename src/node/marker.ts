import type { Clock } from '../base/clock.ts';
import type { Client } from '../wire/client.ts';
import { runScript } from '../wire/run.ts';
import { markerScript } from '../wire/scripts.ts';

/** The key under which a node keeps its marker. */
const MARKER_KEY = 'quorlock:node';

/** What a server says of itself. */
export interface NodeLook {
  /** Its TIME in microseconds, between the two moments of our monotonic clock, in milliseconds. */
  readonly timeUs: number;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  /** Names the running server process; another one after every restart. */
  readonly runId: string;
  readonly role: string;
}

/** Asks a server what it is. */
export async function lookAt(client: Client, clock: Clock): Promise<NodeLook> {
  const sentAtMs = clock.monotonic();
  const answer = await runScript(client, markerScript, [MARKER_KEY], ['', '', '', 0]);
  const [time, runId, role] = answer as readonly unknown[];
  return {
    timeUs: Number(time),
    sentAtMs,
    receivedAtMs: clock.monotonic(),
    runId: String(runId),
    role: String(role),
  };
}
