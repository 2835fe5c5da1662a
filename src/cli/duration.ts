import { InvalidArgumentError } from 'commander';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds, of a number of seconds or of one with a unit. */
export function duration(text: string): number {
  const [, number = '', unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim()) ?? [];
  if (number === '') {
    throw new InvalidArgumentError(
      'It must be a number of seconds, or one with a unit: 500ms, 10s, 5m, 2h, 1d.',
    );
  }
  return Math.round(Number(number) * (UNITS[unit] ?? 1));
}

/** As {@link duration}, and `inf` for ever. */
export function endlessDuration(text: string): number {
  return text.trim() === 'inf' ? Number.POSITIVE_INFINITY : duration(text);
}

/** A whole number. */
export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}
