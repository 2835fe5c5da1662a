import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { WorkerEvent } from './events.ts';

/** A worker's own file of what happened, one event a line. */
export class Journal {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  /** Synchronous, so that a worker that is killed leaves no event out. */
  note(event: WorkerEvent): void {
    writeSync(this.#file, `${JSON.stringify(event)}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

export function readJournal(path: string): readonly WorkerEvent[] {
  const lines = readFileSync(path, { encoding: 'utf8', flag: 'a+' }).split('\n');
  return lines.filter((line) => line !== '').map((line): WorkerEvent => JSON.parse(line));
}
