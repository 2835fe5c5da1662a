import { InvalidArgumentError, Option } from 'commander';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What an option may be; what is not said has no bound. */
interface Bounds {
  readonly least?: number;
  readonly most?: number;
}

/** A duration of 0 to ten years: above that a clock is not exact any more. */
const MOST_MS = 315_360_000_000;

/** Milliseconds, of a number of seconds or of one with a unit. */
export function duration(text: string): number {
  return durationWithin({})(text);
}

/** As {@link duration}, within bounds in milliseconds. */
export function durationWithin({ least = 0, most = MOST_MS }: Bounds): (text: string) => number {
  return (text) => {
    const [, number = '', unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim()) ?? [];
    if (number === '') {
      throw new InvalidArgumentError(
        'It must be a number of seconds, or one with a unit: 500ms, 10s, 5m, 2h, 1d.',
      );
    }
    const ms = Math.round(Number(number) * (UNITS[unit] ?? 1));
    return checked(ms, least, most, inUnits);
  };
}

/** An option that is a duration, with its default in milliseconds. */
export function durationOption(
  flags: string,
  description: string,
  byDefault: number,
  parse: (text: string) => number = duration,
): Option {
  const text = byDefault === Number.POSITIVE_INFINITY ? 'inf' : inUnits(byDefault);
  return new Option(flags, description).argParser(parse).default(byDefault, text);
}

/** What a ttl, or a time that is compared with one, may be. */
export const ttlDuration = durationWithin({ least: 1, most: 31_536_000_000 });

/** As {@link duration}, and `inf` for ever. */
export function endlessDuration(text: string): number {
  return text.trim() === 'inf' ? Number.POSITIVE_INFINITY : duration(text);
}

/** A whole number within bounds. */
export function wholeNumberWithin({ least = 0, most = 1_000_000 }: Bounds): (text: string) => number {
  return (text) => {
    if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
    return checked(Number(text), least, most, String);
  };
}

/** A number within bounds. */
export function numberWithin({ least, most }: Required<Bounds>): (text: string) => number {
  return (text) => {
    if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('It must be a number.');
    return checked(Number(text), least, most, String);
  };
}

/** Commander puts the option and what was given before the message. */
function checked(value: number, least: number, most: number, say: (bound: number) => string): number {
  if (value >= least && value <= most) return value;
  throw new InvalidArgumentError(`It must be from ${say(least)} to ${say(most)}.`);
}

/** A duration as an option takes it, in the largest unit in which it is a whole number. */
function inUnits(ms: number): string {
  const [unit, factor] = Object.entries(UNITS).findLast(([, each]) => ms > 0 && ms % each === 0) ?? ['ms', 1];
  return `${ms / factor}${unit}`;
}
