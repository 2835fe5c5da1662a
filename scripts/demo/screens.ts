import { styleText } from 'node:util';
import { MultiBar, type SingleBar } from 'cli-progress';
import type { SlotStatus } from '../faults/fleet/run.ts';
import { now } from '../support/time.ts';

const FRAMES_PER_SECOND = 10;
const NARROWEST_BAR = 10;
const WIDEST_BAR = 40;

/** What a line needs beside the bar. */
const REST_OF_LINE = 22;

/** How often the plain screen tells of the nodes and the lock. */
const EVERY_MS = 2_000;

const COLOURS = { voting: 'green', quarantined: 'yellow', silent: 'red' } as const;
const WIDEST_STATE = 'quarantined'.length;

/** What there is to see. */
export interface View {
  readonly seconds: number;
  readonly locking: boolean;
  see(): SlotStatus;
}

/** Shows a run, from now until it is stopped: drawn again and again where a terminal can do that, and plain lines elsewhere. */
export function openScreen(view: View, output: NodeJS.WriteStream): { stop(): void } {
  const { TERM } = process.env;
  return output.isTTY && TERM !== 'dumb' ? new LiveScreen(view, output) : new PlainScreen(view, output);
}

/** Everything that was done to nodes so far, in the order of its beginning or its end. */
function newsOf({ incidents }: SlotStatus): readonly string[] {
  const news = incidents.flatMap(({ fault, from, to }) => {
    const node = 'nodes' in fault ? `node ${fault.nodes.map((index) => index + 1).join(', ')}` : '';
    const isKill = fault.kind === 'kill empty';
    const begun = { at: from, what: `${node} was ${isKill ? 'killed' : 'paused'}` };
    const over = { at: to, what: `${node} ${isKill ? 'was restarted, empty' : 'goes on'}` };
    return to === Number.POSITIVE_INFINITY ? [begun] : [begun, over];
  });
  return news.sort((a, b) => a.at - b.at).map(({ what }) => what);
}

/** Who is in a critical section, in words. */
function describeHolders({ locking }: View, { holders }: SlotStatus): string {
  if (!locking) return `no lock, ${holders.size} callers in it at once`;
  const newest = [...holders].at(-1);
  if (newest === undefined) return 'no caller holds the lock';
  const [caller, since] = newest;
  const heldMs = Math.max(0, now() - since);
  return `held by caller ${caller}${heldMs < 100 ? '' : ` for ${(heldMs / 1_000).toFixed(1)} s`}`;
}

/** A progress bar with a few lines below it, drawn in place; nothing of it remains when it stops. */
class LiveScreen {
  readonly #view: View;
  readonly #bars: MultiBar;
  readonly #progress: SingleBar;
  readonly #lines: readonly SingleBar[];
  readonly #timer: NodeJS.Timeout;

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

  stop(): void {
    clearInterval(this.#timer);
    this.#bars.stop();
  }

  #update(): void {
    const { seconds } = this.#view;
    const elapsed = this.#view.see().sinceMs / 1_000;
    const left = elapsed < seconds ? `${Math.ceil(seconds - elapsed)} s left` : 'ending';
    this.#progress.update(Math.min(elapsed, seconds), { left });
    this.#texts().forEach((text, index) => {
      this.#lines[index]?.update({ text });
    });
  }

  #texts(): readonly string[] {
    const status = this.#view.see();
    // Always as wide, so that nothing moves when a state changes.
    const nodes = status.states.map(
      (state = 'silent', index) => `${index + 1} ${styleText(COLOURS[state], state.padEnd(WIDEST_STATE))}`,
    );
    return [
      `nodes    ${nodes.join(' ')}`,
      `lock     ${status.grants} acquisitions, ${describeHolders(this.#view, status)}`,
      `fault    ${newsOf(status).at(-1) ?? 'none yet'}`,
    ];
  }
}

/** A line for each fault, and one every now and then: for pipes, files and CI. */
class PlainScreen {
  readonly #view: View;
  readonly #output: NodeJS.WritableStream;
  readonly #timer: NodeJS.Timeout;
  #told = 0;
  #summaryAtMs = EVERY_MS;

  constructor(view: View, output: NodeJS.WritableStream) {
    this.#view = view;
    this.#output = output;
    this.#timer = setInterval(() => this.#update(), 1_000 / FRAMES_PER_SECOND);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#update();
  }

  #update(): void {
    const status = this.#view.see();
    const line = (text: string) =>
      this.#output.write(`${(status.sinceMs / 1_000).toFixed(1).padStart(5)} s  ${text}\n`);
    const news = newsOf(status);
    for (const what of news.slice(this.#told)) line(what);
    this.#told = news.length;
    if (status.sinceMs < this.#summaryAtMs) return;
    this.#summaryAtMs += EVERY_MS;
    const states = status.states.map((state = 'silent') => state).join(' ');
    line(`nodes: ${states} | ${status.grants} acquisitions, ${describeHolders(this.#view, status)}`);
  }
}
