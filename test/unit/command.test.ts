import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CHECKS } from '../../src/cli/checks.ts';
import { duration, endlessDuration, wholeNumberWithin } from '../../src/cli/duration.ts';
import { programOf } from '../../src/cli/program.ts';
import { table, wrap } from '../../src/cli/terminal.ts';
import { sectionOf } from '../support/markdown.ts';

const page = readFileSync(new URL('../../docs/command.md', import.meta.url), 'utf8');
const { commands } = programOf(() => undefined);

/** Options that all subcommands which ask nodes have, described once. */
const COMMON = ['--nodes', '--password-file', '--key-prefix', '--json'];

/** Where the page describes a subcommand. */
const HEADINGS: Readonly<Record<string, string>> = {
  inspect: '## inspect, watch and list',
  watch: '## inspect, watch and list',
  list: '## inspect, watch and list',
  release: '## release --force',
};

const headingOf = (name: string) => HEADINGS[name] ?? `## ${name}`;

/** A section with those below it. */
const sectionsUnder = (heading: string) =>
  page.split(/^(?=## )/m).find((part) => part.startsWith(`${heading}\n`)) ?? '';

describe('docs/command.md', () => {
  it.each(commands.map((command) => [command.name(), command] as const))(
    'describes all of %s',
    (name, command) => {
      const section = sectionsUnder(headingOf(name));
      expect(section).not.toBe('');
      for (const { long, short } of command.options) {
        const where = COMMON.includes(long ?? '') ? sectionOf(page, '## Nodes and passwords') : section;
        expect(where, name).toContain(long);
        if (short !== undefined) expect(where, name).toContain(short);
      }
    },
  );

  it('names no option that does not exist', () => {
    const known = new Set(['--help', ...commands.flatMap(({ options }) => options.map(({ long }) => long))]);
    // What stands after -- is another program's.
    const text = page.replaceAll(/ -- .*/g, '').replaceAll(/`setpriv [^`]*`/g, '');
    const named = new Set(text.match(/(?<![\w-])--[a-z][a-z-]*/g));
    expect([...named].filter((option) => !known.has(option))).toEqual([]);
  });

  it('has a section for every check of doctor, to which its findings link', () => {
    const headings = [...sectionsUnder('## doctor').matchAll(/^### (.*)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(Object.keys(CHECKS));
  });

  it('has at most 250 lines', () => {
    expect(page.split('\n').length).toBeLessThanOrEqual(250);
  });
});

describe('every subcommand', () => {
  it.each(commands.map((command) => [command.name(), command] as const))(
    '%s tells its exit codes, within 80 columns',
    (_, command) => {
      const printed: string[] = [];
      command
        .configureOutput({ writeOut: (text) => void printed.push(text), getOutHelpWidth: () => 80 })
        .outputHelp();
      const help = printed.join('');
      expect(help).toMatch(/\nExit codes:\n( {2}\d+|\s+the command's own)/);
      expect(help.split('\n').filter((line) => line.length > 80)).toEqual([]);
      expect(command.options.map(({ long }) => long)).toContain('--json');
    },
  );
});

describe('arguments', () => {
  it.each([
    ['10', 10_000],
    ['0.5', 500],
    ['500ms', 500],
    ['1.5s', 1_500],
    ['2m', 120_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
  ])('%s is a duration', (text, ms) => expect(duration(text)).toBe(ms));

  it.each(['', 'soon', '-1', '1w', '1 2', 'Infinity', '0x10'])('%j is none', (text) => {
    expect(() => duration(text)).toThrow(/a number of seconds, or one with a unit/);
  });

  it('inf is an endless one', () => {
    expect(endlessDuration('inf')).toBe(Number.POSITIVE_INFINITY);
    expect(endlessDuration('1')).toBe(1_000);
  });

  it.each(['', '-1', '1.5', 'one'])('%j is no whole number', (text) => {
    expect(() => wholeNumberWithin({})(text)).toThrow('It must be a whole number');
  });

  /** A value below, or above, what an option may be, and how its bounds are said. */
  const OUT_OF_BOUNDS = [
    ['run', '--ttl', '0', '1ms to 365d'],
    ['run', '--ttl', '366d', '1ms to 365d'],
    ['run', '--wait', '3651d', '0ms to 3650d'],
    ['run', '--max-hold', '3651d', '0ms to 3650d'],
    ['run', '--min-hold', '3651d', '0ms to 3650d'],
    ['run', '--kill-after', '3651d', '0ms to 3650d'],
    ['run', '--permits', '0', '1 to 1000'],
    ['run', '--permits', '1001', '1 to 1000'],
    ['release', '--permit', '1000', '0 to 999'],
    ['run', '--conflict-exit-code', '256', '0 to 255'],
    ['doctor', '--wait', '3651d', '0ms to 3650d'],
    ['doctor', '--clocks', '61m', '0ms to 1h'],
    ['doctor', '--ttl', '0', '1ms to 365d'],
    ['doctor', '--node-timeout', '0', '1ms to 365d'],
    ['doctor', '--max-ttl', '366d', '1ms to 365d'],
    ['doctor', '--drift-factor', '0.51', '0 to 0.5'],
    ['watch', '--interval', '0', '100ms to 3650d'],
    ['watch', '--interval', '99ms', '100ms to 3650d'],
    ['list', '--limit', '0', '1 to 500000'],
    ['list', '--limit', '500001', '1 to 500000'],
    ['init', '--max-ttl', '0', '1ms to 365d'],
    ['servers', '--count', '0', '1 to 100'],
    ['servers', '--count', '101', '1 to 100'],
  ] as const;

  /** What a call prints that is refused for its arguments. */
  async function refusalOf(...words: readonly string[]): Promise<string> {
    const printed: string[] = [];
    const program = programOf(() => undefined);
    const writeErr = (text: string) => void printed.push(text);
    for (const each of [program, ...program.commands]) each.configureOutput({ writeErr });
    await expect(program.parseAsync(words, { from: 'user' })).rejects.toThrow();
    return printed.join('');
  }

  it.each(OUT_OF_BOUNDS)('%s %s %s is refused, with the bounds', async (name, option, value, bounds) => {
    const printed = await refusalOf(name, option, value, 'a');
    expect(printed).toMatch(new RegExp(`option '(-E, )?${option} .*' argument '${value}' is invalid`));
    expect(printed).toContain(`It must be from ${bounds}.`);
  });

  it('every option that takes a number or a duration is refused out of bounds', () => {
    const numeric = commands.flatMap((command) =>
      command.options
        .filter(({ flags }) => /[<[](number|duration)[>\]]/.test(flags))
        .map(({ long }) => `${command.name()} ${long}`),
    );
    const tried = OUT_OF_BOUNDS.map(([name, option]) => `${name} ${option}`);
    expect(numeric.sort()).toEqual([...new Set(tried)].sort());
  });

  it.each(['', 'one', '1e-3', '-1'])('%j is no drift factor', async (value) => {
    expect(await refusalOf('doctor', `--drift-factor=${value}`)).toContain('It must be a number.');
  });

  it('a default is printed as it would be given', () => {
    const defaults = commands.flatMap((command) =>
      command.options
        .filter(({ flags, defaultValue }) => flags.includes('duration') && defaultValue !== undefined)
        .map(({ long, defaultValueDescription }) => `${command.name()} ${long} ${defaultValueDescription}`),
    );
    expect(defaults).toEqual([
      'run --wait 10s',
      'run --max-hold inf',
      'run --min-hold 0ms',
      'doctor --clocks 2s',
      'doctor --ttl 10s',
      'watch --interval 1s',
    ]);
  });
});

describe('text', () => {
  it('is wrapped at 80 columns, with words that are longer on lines of their own', () => {
    const word = 'x'.repeat(100);
    const lines = wrap(`${'word '.repeat(40)}${word} end`, '  ').split('\n');
    expect(lines.filter((line) => line.length > 80)).toEqual([`  ${word}`]);
    expect(lines.every((line) => line.startsWith('  '))).toBe(true);
  });

  it('of a table is aligned, and cut at 80 columns', () => {
    const text = table([
      ['a', 'b'],
      ['longer', 'x'.repeat(100)],
    ]);
    expect(text).toBe(`a       b\nlonger  ${'x'.repeat(71)}…`);
  });
});
