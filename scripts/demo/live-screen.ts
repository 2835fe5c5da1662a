import { styleText } from 'node:util';
import { MultiBar, type SingleBar } from 'cli-progress';
import type { FleetNode, NodeState } from '../fleet/fleet.ts';
import type { Screen, View } from './view.ts';
import { describeHolders } from './words.ts';

const FRAMES_PER_SECOND = 10;
const NARROWEST_BAR = 10;
const WIDEST_BAR = 40;

/** What a line needs beside the bar. */
const REST_OF_LINE = 22;

const COLOURS = { up: 'green', paused: 'yellow', down: 'red' } as const satisfies Record<NodeState, string>;

const WIDEST_STATE = 'paused'.length;

/** A progress bar with a few lines below it, drawn in place; nothing of it remains when it stops. */
export class LiveScreen implements Screen {
  readonly #view: View;
  readonly #bars: MultiBar;
  readonly #progress: SingleBar;
  readonly #lines: readonly SingleBar[];
  readonly #startedAtMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  #latest = 'none yet';

  constructor(view: View, output: NodeJS.WriteStream) {
    this.#view = view;
    this.#bars = new MultiBar({
      stream: output,
      fps: FRAMES_PER_SECOND,
      barsize: Math.max(NARROWEST_BAR, Math.min(WIDEST_BAR, output.columns - REST_OF_LINE)),
      barCompleteChar: '█',
      barIncompleteChar: '░',
      hideCursor: true,
      clearOnComplete: true,
      // The demo itself decides what a Ctrl-C does, and stops this screen then.
      gracefulExit: false,
    });
    const format = { format: '{text}' };
    this.#progress = this.#bars.create(view.seconds, 0, { left: '' }, { format: 'run      {bar} {left}' });
    this.#lines = this.#texts().map((text) => this.#bars.create(1, 0, { text }, format));
    this.#timer = setInterval(() => this.#update(), 1_000 / FRAMES_PER_SECOND);
    this.#update();
  }

  note(what: string): void {
    this.#latest = what;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#bars.stop();
  }

  #update(): void {
    const { seconds } = this.#view;
    const elapsed = (performance.now() - this.#startedAtMs) / 1_000;
    const left = elapsed < seconds ? `${Math.ceil(seconds - elapsed)} s left` : 'ending';
    this.#progress.update(Math.min(elapsed, seconds), { left });
    this.#texts().forEach((text, index) => {
      this.#lines[index]?.update({ text });
    });
  }

  #texts(): readonly string[] {
    const { nodes, tally } = this.#view;
    return [
      `nodes    ${nodes.map(describeNode).join('  ')}`,
      `lock     ${tally.acquisitions} acquisitions, ${describeHolders(this.#view)}`,
      `fault    ${this.#latest}`,
    ];
  }
}

/** Always as wide, so that nothing moves when a state changes. */
function describeNode({ index, state }: FleetNode): string {
  return `${index + 1} ${styleText(COLOURS[state], state.padEnd(WIDEST_STATE))}`;
}
