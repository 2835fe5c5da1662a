import { parseMarker } from '../../../src/node/marker.ts';
import { sendCommand } from '../../fleet/resp.ts';
import { nap, now } from '../../support/time.ts';
import type { Masters } from './masters/masters.ts';

const EVERY_MS = 100;

/** A server that is slower than this counts as one that does not answer. */
const ANSWERS_WITHIN_MS = 400;

/** The time in an answer that took longer is of no use. */
const CLOCK_WITHIN_MS = 40;

const LOOK = `
local info = redis.call('INFO', 'server')
local time = redis.call('TIME')
return {string.match(info, 'run_id:(%x+)'), redis.call('GET', 'quorlock:node') or '', time[1], time[2]}`;

/**
 * - `voting`: its marker is active and of the process that runs.
 * - `quarantined`: it answers, and has no such marker.
 * - `silent`: it does not answer.
 */
export type NodeState = 'voting' | 'quarantined' | 'silent';

/** What was seen of a node, past its proxy. */
export interface Sample {
  /** Before it was asked, on the clock of scripts/support/time.ts. */
  readonly at: number;
  readonly state: NodeState;
  /** How far its wall clock is ahead of ours; undefined if it did not answer soon enough to tell. */
  readonly clockOffsetMs: number | undefined;
}

/** Looks at every node, over and over: by its server's own words, and not by what clients make of them. */
export class Watcher {
  /** Of each node, in order of time. */
  readonly samples: readonly Sample[][];
  readonly #masters: Masters;

  constructor(masters: Masters) {
    this.#masters = masters;
    this.samples = masters.nodes.map(() => []);
  }

  async run(stop: AbortSignal): Promise<void> {
    await Promise.all(
      this.#masters.nodes.map(async (node, index) => {
        while (!stop.aborted) {
          const at = now();
          this.samples[index]?.push(await look(at, node.server.port));
          await nap(EVERY_MS - (now() - at), stop);
        }
      }),
    );
  }

  /** What each node is now, as far as is known. */
  get states(): readonly (NodeState | undefined)[] {
    return this.samples.map((samples) => samples.at(-1)?.state);
  }
}

async function look(at: number, port: number): Promise<Sample> {
  try {
    const askedAtMs = Date.now();
    const reply = await sendCommand(port, ['EVAL', LOOK, 0], ANSWERS_WITHIN_MS);
    const answeredAtMs = Date.now();
    const [runId, text, seconds, micros] = Array.isArray(reply) ? reply : [];
    const marker = parseMarker(String(text));
    return {
      at,
      state: marker?.state === 'active' && marker.runId === runId ? 'voting' : 'quarantined',
      clockOffsetMs:
        answeredAtMs - askedAtMs > CLOCK_WITHIN_MS
          ? undefined
          : Number(seconds) * 1_000 + Number(micros) / 1_000 - (askedAtMs + answeredAtMs) / 2,
    };
  } catch {
    return { at, state: 'silent', clockOffsetMs: undefined };
  }
}
