import { UsageError } from '../../support/arguments.ts';

/** What an event is about, and the words by which a line of a trace tells. */
const KINDS = {
  acquire: ['acquire', 'contend', 'share', 'permit'],
  confirm: ['confirm', 'confirm-share'],
  extend: ['extend', 'extend-share'],
  release: ['release', 'release-share'],
  wait: ['enter', 'leave', 'leave-permit', 'waiting', 'subscribe', 'publish'],
  look: ['look', 'write', 'inspect', 'inspect-permit'],
} as const;

type Kind = keyof typeof KINDS | 'fault';

export const TRACE_KINDS: readonly Kind[] = [...(Object.keys(KINDS) as (keyof typeof KINDS)[]), 'fault'];

/** Where a line is cut that is wider than the screen, if the screen is not known. */
const WIDTH = 120;

export const DEFAULT_LINES = 40;

/** Which events of a trace are shown. */
export interface TraceFilter {
  /** The number of a node or a machine; undefined: all. */
  readonly node: number | undefined;
  readonly machine: number | undefined;
  readonly kinds: readonly Kind[];
  /** Virtual milliseconds. */
  readonly fromMs: number;
  readonly toMs: number;
  /** How many lines at the most. */
  readonly lines: number;
}

/** @throws {UsageError} */
export function traceFilterOf(values: {
  readonly node?: string | undefined;
  readonly machine?: string | undefined;
  readonly kind?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly lines?: string | undefined;
}): TraceFilter {
  const number = (name: string, text: string | undefined, otherwise: number) => {
    if (text === undefined) return otherwise;
    const value = Number(text);
    if (text.trim() === '' || !(value >= 0))
      throw new UsageError(`${name} must be a number from 0: got "${text}"`);
    return value;
  };
  const place = (name: string, text: string | undefined) =>
    text === undefined ? undefined : number(name, text, 0);
  const kinds = values.kind === undefined ? TRACE_KINDS : values.kind.split(',');
  for (const kind of kinds) {
    if (!TRACE_KINDS.some((one) => one === kind))
      throw new UsageError(`--kind must be of ${TRACE_KINDS.join(', ')}, with commas between: got "${kind}"`);
  }
  return {
    node: place('--node', values.node),
    machine: place('--machine', values.machine),
    kinds: kinds as readonly Kind[],
    fromMs: number('--from', values.from, 0),
    toMs: number('--to', values.to, Number.POSITIVE_INFINITY),
    lines: values.lines === 'all' ? Number.POSITIVE_INFINITY : number('--lines', values.lines, DEFAULT_LINES),
  };
}

/** Prints the events of a trace that a filter lets through, one operation a line, and counts the others. */
export class FilteredTrace {
  readonly #filter: TraceFilter;
  readonly #print: (line: string) => void;
  readonly #width: number;
  #events = 0;
  #matching = 0;

  constructor(filter: TraceFilter, print: (line: string) => void, width = WIDTH) {
    this.#filter = filter;
    this.#print = print;
    this.#width = width;
  }

  /** Takes one line of a {@link Simulation}'s trace. */
  readonly line = (line: string): void => {
    const [, time = '', place = '', what = ''] = /^\s*([\d.]+)\s{2}(\S+(?: \d+)?)\s+(.*)$/.exec(line) ?? [];
    const [, machine, events = ''] = /^(?:for machine (\d+): )?(.*)$/.exec(what) ?? [];
    for (const event of events.split('; ')) {
      this.#events += 1;
      if (!this.#isMeant(Number(time), place, machine, event)) continue;
      this.#matching += 1;
      if (this.#matching > this.#filter.lines) continue;
      const from = machine === undefined ? '' : `machine ${machine}: `;
      const text = `${time.padStart(11)}  ${place.padEnd(11)}  ${from}${event}`;
      this.#print(text.length > this.#width ? `${text.slice(0, this.#width - 1)}…` : text);
    }
  };

  /** How much was not printed, and how to see it; empty if all was. */
  get rest(): string {
    const { lines } = this.#filter;
    const others = this.#events - this.#matching;
    const more = Math.max(0, this.#matching - lines);
    if (more === 0) return others === 0 ? '' : `${others} other events.`;
    const filtered = others === 0 ? '' : `, and ${others} that the filters leave out`;
    return `${more} more events${filtered}. Choose with --node, --machine, --kind, --from and --to, or see all with --lines all.`;
  }

  #isMeant(atMs: number, place: string, machine: string | undefined, event: string): boolean {
    const { node, machine: wanted, kinds, fromMs, toMs } = this.#filter;
    if (atMs < fromMs || atMs > toMs) return false;
    if (node !== undefined && !place.startsWith(`node-${node}:`)) return false;
    const own = machine ?? /^machine (\d+)$/.exec(place)?.[1];
    if (wanted !== undefined && own !== `${wanted}`) return false;
    return kinds.includes(kindOf(event, machine !== undefined));
  }
}

function kindOf(event: string, isCall: boolean): Kind {
  const [word = ''] = event.split(/[ :]/);
  for (const [kind, words] of Object.entries(KINDS) as [keyof typeof KINDS, readonly string[]][]) {
    if ((isCall || kind === 'wait') && words.includes(word)) return kind;
  }
  return 'fault';
}
