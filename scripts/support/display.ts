import { SingleBar } from 'cli-progress';

const UPDATE_EVERY_MS = 200;
const WIDTH = 30;

/** How far a run is. */
interface Progress {
  /** From 0 to 1. */
  readonly share: number;
  readonly text: string;
}

/** A progress bar on a terminal, and nothing elsewhere. Nothing of it remains when it stops. */
export class Display {
  readonly #look: () => Progress;
  readonly #bar: SingleBar;
  readonly #timer: NodeJS.Timeout;

  constructor(output: NodeJS.WriteStream, look: () => Progress) {
    this.#look = look;
    this.#bar = new SingleBar({
      stream: output,
      format: '{bar} {percentage} %, {eta_formatted} left: {text}',
      barsize: WIDTH,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      hideCursor: true,
      clearOnComplete: true,
      // The run itself decides what a Ctrl-C does, and stops this display then.
      gracefulExit: false,
    });
    this.#bar.start(1, 0, { text: '' });
    this.#timer = setInterval(() => this.#update(), UPDATE_EVERY_MS);
    this.#update();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#bar.stop();
  }

  #update(): void {
    const { share, text } = this.#look();
    this.#bar.update(share, { text });
  }
}
