import { isTimeUs, MalformedAnswerError } from './operation.ts';

/** The answer of the marker script, see `lua/marker.lua`. A text is empty where the server does not tell. */
export interface HandshakeAnswer {
  /** 0 where the server does not tell it: TIME is among `lacks` then. */
  readonly timeUs: number;
  /** Names the running server process; another one after every restart. */
  readonly runId: string;
  readonly role: string;
  /** The text of the marker; empty if there is none. */
  readonly marker: string;
  /** Whether this call wrote the marker. */
  readonly written: boolean;
  readonly maxMemory: number;
  readonly evictionPolicy: string;
  readonly mode: string;
  /** `7.0.15`, or `valkey 8.1.1`. */
  readonly version: string;
  /** The commands that failed, each followed by its error. */
  readonly lacks: readonly string[];
}

const FIELDS = 10;

/** Takes apart the answer of the marker script. @throws {MalformedAnswerError} it is not in the script's form */
export function readHandshake(answer: unknown): HandshakeAnswer {
  if (!Array.isArray(answer) || answer.length !== FIELDS) throw new MalformedAnswerError(answer);
  const [timeUs, runId, role, marker, written, maxMemory, evictionPolicy, mode, version, lacks] =
    answer as readonly unknown[];
  if (
    !isListOfLacks(lacks) ||
    !(isTimeUs(timeUs) || (timeUs === 0 && lacks.includes('TIME'))) ||
    !areTexts([runId, role, marker, maxMemory, evictionPolicy, mode, version]) ||
    (written !== 0 && written !== 1) ||
    !/^\d*$/.test(String(maxMemory))
  ) {
    throw new MalformedAnswerError(answer);
  }
  return {
    timeUs,
    runId: String(runId),
    role: String(role),
    marker: String(marker),
    written: written === 1,
    maxMemory: Number(maxMemory),
    evictionPolicy: String(evictionPolicy),
    mode: String(mode),
    version: String(version),
    lacks,
  };
}

function isListOfLacks(value: unknown): value is readonly string[] {
  return Array.isArray(value) && areTexts(value) && value.length % 2 === 0;
}

function areTexts(values: readonly unknown[]): boolean {
  return values.every((value) => typeof value === 'string');
}
