import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { QuorlockChannels } from '../../src/index.ts';

type Name = keyof QuorlockChannels;

/** The tracing channels, and the others. */
export const TRACING = [
  'quorlock:acquire',
  'quorlock:extend',
  'quorlock:release',
  'quorlock:using',
] as const satisfies readonly Name[];
export const PLAIN = [
  'quorlock:lock:lost',
  'quorlock:lock:handed-on',
  'quorlock:node',
  'quorlock:node:vote',
  'quorlock:warning',
] as const satisfies readonly Name[];

export const COURSE = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const;

/** What was published, as it was at that moment. */
export interface Heard {
  readonly channel: string;
  readonly message: object;
}

/** Hears what the library publishes, until it is disposed of. */
export class Listener implements Disposable {
  readonly heard: Heard[] = [];
  readonly #channels: readonly string[];
  readonly #hear = (message: unknown, name: string | symbol): void => {
    this.heard.push({ channel: String(name).replace('tracing:', ''), message: { ...(message as object) } });
    this.#also?.(message, String(name));
  };
  readonly #also: ((message: unknown, name: string) => void) | undefined;

  /** @param also called with each message, the very object */
  constructor(
    names: readonly Name[] = [...TRACING, ...PLAIN],
    also?: (message: unknown, name: string) => void,
  ) {
    this.#also = also;
    this.#channels = names.flatMap((name) =>
      TRACING.some((each) => each === name) ? COURSE.map((part) => `tracing:${name}:${part}`) : [name],
    );
    for (const name of this.#channels) subscribe(name, this.#hear);
  }

  /** The channels of all messages, in their order. */
  get channels(): readonly string[] {
    return this.heard.map(({ channel }) => channel);
  }

  /** The messages of one channel. */
  on<Tracing extends (typeof TRACING)[number]>(
    channel: `${Tracing}:${(typeof COURSE)[number]}`,
  ): readonly QuorlockChannels[Tracing][];
  on<Plain extends (typeof PLAIN)[number]>(channel: Plain): readonly QuorlockChannels[Plain][];
  on(channel: string): readonly object[] {
    return this.heard.filter((each) => each.channel === channel).map(({ message }) => message);
  }

  [Symbol.dispose](): void {
    for (const name of this.#channels) unsubscribe(name, this.#hear);
  }
}
