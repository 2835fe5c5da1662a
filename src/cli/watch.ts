import { clearScreenDown, moveCursor } from 'node:readline';
import type { Command } from 'commander';
import { SystemClock } from '../base/clock.ts';
import { Deployment } from './deployment.ts';
import { durationOption, durationWithin } from './duration.ts';
import { EXIT } from './exit.ts';
import { describe, headline, highestToken, look, type Sight } from './inspect.ts';
import { type NodeOptions, withNodeOptions } from './node-options.ts';
import { pause } from './pause.ts';
import { print } from './terminal.ts';

interface WatchOptions extends NodeOptions {
  readonly interval: number;
}

const EXIT_CODES = `
At a terminal it is drawn again and again. Elsewhere, and with --json, a line is
printed whenever the holder, the state or the queue changes. Ctrl-C ends it.

Exit codes:
  0    it was ended by Ctrl-C or SIGTERM
  64   the arguments make no sense`;

/** Adds `quorlock watch`. */
export function addWatch(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('watch')
    .summary('who holds a lock and who waits, as it changes')
    .description(
      'Shows who holds a lock, or permits of a semaphore, and who waits, until it is ended. Changes nothing.',
    )
    .argument('<resource>', 'the lock, or the semaphore')
    .addOption(
      durationOption(
        '--interval <duration>',
        'how often the nodes are asked',
        1_000,
        durationWithin({ least: 100 }),
      ),
    )
    .addHelpText('after', EXIT_CODES);
  withNodeOptions(command).action(async (resource: string, options: WatchOptions) => {
    await using deployment = await Deployment.open(options);
    const redlock = deployment.redlock();
    const stopped = stopSignal();
    const screen =
      options.json !== true && process.stdout.isTTY ? new Screen() : new Log(options.json === true);
    while (!stopped.aborted) {
      const sight = await look(deployment, redlock, resource);
      screen.show(sight);
      // Nodes that were away when they were asked what they are may be back.
      if (!sight.permitsAreKnown) await deployment.lookAgain();
      await pause(options.interval, stopped);
    }
    ended(EXIT.ok);
  });
}

function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}

/** Draws over what it drew before. */
class Screen {
  #lines = 0;

  show(sight: Sight): void {
    moveCursor(process.stdout, 0, -this.#lines);
    clearScreenDown(process.stdout);
    const text = describe(sight);
    this.#lines = text.split('\n').length;
    print(text);
  }
}

/** Prints a line for what changed. */
class Log {
  readonly #isJson: boolean;
  readonly #clock = new SystemClock();
  #last = '';

  constructor(isJson: boolean) {
    this.#isJson = isJson;
  }

  show(sight: Sight): void {
    const { inspection, queue, semaphore } = sight;
    const waiting = [queue, semaphore?.queue].flatMap((each) => each?.processes ?? []);
    const holders = [inspection, ...(semaphore?.permits ?? [])].map(({ key, state, value }) => [
      key,
      state,
      value,
    ]);
    const now = JSON.stringify([holders, waiting.map(({ process: name }) => name)]);
    if (now === this.#last) return;
    this.#last = now;
    const time = new Date(this.#clock.wall()).toISOString();
    if (this.#isJson) print(JSON.stringify({ time, token: highestToken(inspection), ...sight }));
    else print(`${time}  ${headline(sight)}; ${waiting.length} waiting`);
  }
}
