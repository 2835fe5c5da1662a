import type { Command } from 'commander';
import { SystemClock } from '../base/clock.ts';
import { plural } from '../base/describe.ts';
import { quarantineMs } from '../membership/quarantine.ts';
import { majorityOf } from '../quorum/round.ts';
import { resolveOptions } from '../redlock/options.ts';
import {
  aheadMs,
  diagnose,
  downIn,
  type Finding,
  middleMs,
  refusedIn,
  roundTripMs,
  type Terms,
} from './checks.ts';
import { Deployment, type Look } from './deployment.ts';
import { duration, durationOption, durationWithin, numberWithin, ttlDuration } from './duration.ts';
import { EXIT } from './exit.ts';
import { type Facts, factsOf } from './facts.ts';
import { type NodeOptions, withNodeOptions } from './node-options.ts';
import { pause } from './pause.ts';
import { complain, cut, print, printJson, span, table, wrap } from './terminal.ts';

interface DoctorOptions extends NodeOptions {
  readonly wait?: number | true;
  readonly ttl: number;
  readonly nodeTimeout?: number;
  readonly driftFactor: number;
  readonly maxTtl?: number;
  readonly clocks: number;
}

/** `--wait` without a time waits for so long: longer than a quarantine by default. */
const WAIT_MS = 120_000;

const WAIT_EVERY_MS = 500;

/** That of programs by default. */
const DRIFT_FACTOR = 0.01;

const PAGE = 'https://github.com/quorlock/quorlock/blob/main/docs/command.md';

const EXIT_CODES = `
Exit codes:
  0    nothing is wrong
  1    warnings only: locks work, and something may fail some day
  2    errors: locks are unsafe, or a node does not vote
  64   the arguments make no sense
  69   no driver is installed

It writes nothing. With --wait it takes part in ending quarantines, as programs
do, and is done when every node votes: for one step of a rolling restart.`;

/** Adds `quorlock doctor`. */
export function addDoctor(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('doctor')
    .summary('are these independent masters that locks are safe on?')
    .description('Looks for what makes locks unsafe, or may some day: each with its risk and its remedy.')
    .option('--wait [duration]', 'wait until every node votes, for 2m if no time is given', duration)
    .addOption(
      durationOption(
        '--clocks <duration>',
        'for how long clocks and round trips are measured',
        2_000,
        durationWithin({ most: 3_600_000 }),
      ),
    )
    .addOption(durationOption('--ttl <duration>', "the programs' ttl", 10_000, ttlDuration))
    .option(
      '--node-timeout <duration>',
      "the programs' nodeTimeout (default: a quarter of the ttl)",
      ttlDuration,
    )
    .option(
      '--drift-factor <number>',
      "the programs' driftFactor",
      numberWithin({ least: 0, most: 0.5 }),
      DRIFT_FACTOR,
    )
    .option('--max-ttl <duration>', "the programs' maxTtl (default: not compared)", ttlDuration)
    .addHelpText('after', EXIT_CODES);
  withNodeOptions(command).action(async (options: DoctorOptions) => {
    checkTerms(options);
    await using deployment = await Deployment.open(options);
    if (options.wait !== undefined)
      await untilAllVote(deployment, options.wait === true ? WAIT_MS : options.wait);
    const looks = await deployment.lookAgain();
    const facts = await Promise.all(looks.map((look) => factsOf(look, options.clocks)));
    const { nodeTimeout = options.ttl / 4, driftFactor, maxTtl } = options;
    const findings = diagnose(facts, { nodeTimeout, driftFactor, maxTtl } satisfies Terms);
    if (options.json === true) printJson(reportOf(facts, findings));
    else show(facts, findings);
    ended(exitCodeOf(findings));
  });
}

/** The programs can't have what their Redlock refuses. */
function checkTerms({ ttl, nodeTimeout, driftFactor, maxTtl = Math.max(ttl, 30_000) }: DoctorOptions): void {
  // A ttl that only stands for the default of a shorter maxTtl is none that was given.
  resolveOptions({ ttl: Math.min(ttl, maxTtl), nodeTimeout, driftFactor, maxTtl });
}

function exitCodeOf(findings: readonly Finding[]): number {
  if (findings.some(({ severity }) => severity === 'error')) return EXIT.errors;
  return findings.length > 0 ? EXIT.warnings : EXIT.ok;
}

/** Waits until every node votes, and takes part in ending quarantines. New nodes are left as they are. */
async function untilAllVote(deployment: Deployment, forMs: number): Promise<void> {
  const clock = new SystemClock();
  const since = clock.monotonic();
  let isTakingPart = false;
  let told = '';
  for (;;) {
    const looks = await deployment.lookAgain();
    const isNew = looks.every(({ failure, marker }) => failure === undefined && marker === undefined);
    const missing = looks.filter(({ isActive, failure }) => failure !== undefined || !(isActive || isNew));
    if (missing.length === 0 || clock.monotonic() - since >= forMs) return;
    if (!isTakingPart && deployment.maxTtl !== undefined) {
      deployment.redlock({ quarantine: 'auto' });
      isTakingPart = true;
    }
    const forText = span(quarantineMs(deployment.maxTtl ?? 0, DRIFT_FACTOR));
    const why = ({ failure }: Look) =>
      failure === undefined ? `in a quarantine of ${forText}` : 'no answer';
    const names = missing.map((look) => `${look.address} (${why(look)})`).join(', ');
    if (names !== told) complain(wrap(`waiting for ${names}`));
    told = names;
    await pause(WAIT_EVERY_MS);
  }
}

function reportOf(facts: readonly Facts[], findings: readonly Finding[]) {
  const middle = middleMs(facts);
  const nodes = facts.map((node) => ({
    node: node.address,
    state: stateOf(node, facts, findings),
    version: versionOf(node),
    roundTripMs: roundTripMs(node.readings),
    clockOffsetMs: node.readings.length === 0 ? undefined : (aheadMs(node.readings) ?? 0) - middle,
    maxTtl: node.marker?.maxTtl,
  }));
  return { nodes, findings: findings.map((each) => ({ ...each, link: linkOf(each) })) };
}

function linkOf({ check }: Finding): string {
  return `${PAGE}#${check}`;
}

function stateOf(node: Facts, facts: readonly Facts[], findings: readonly Finding[]): string {
  const { failure, marker, isActive, address } = node;
  if (downIn(findings).has(address)) return 'down';
  if (failure !== undefined || refusedIn(findings).has(address)) return 'refused';
  if (isActive) return 'votes';
  if (marker !== undefined) return 'quarantine';
  return areNew(facts) ? 'new' : 'emptied';
}

function versionOf({ info }: Facts): string {
  return info.get('valkey_version') ?? info.get('redis_version') ?? '';
}

function show(facts: readonly Facts[], findings: readonly Finding[]): void {
  const middle = middleMs(facts);
  const refused = refusedIn(findings);
  const rows = facts.map((node) => {
    const trip = roundTripMs(node.readings);
    const ahead = aheadMs(node.readings);
    const used = node.info.get('used_memory_human') ?? '';
    return [
      cut(node.address, 30),
      stateOf(node, facts, findings),
      versionOf(node),
      trip === undefined ? '' : `${trip.toFixed(1)} ms`,
      ahead === undefined ? '' : `${signed(ahead - middle)} ms`,
      used,
    ];
  });
  print(table([['node', 'state', 'version', 'round trip', 'clock', 'memory'], ...rows]));
  for (const each of findings) print(`\n${paragraph(each)}`);
  const voting = facts.filter(({ isActive, address }) => isActive && !refused.has(address)).length;
  const survives = voting - majorityOf(facts.length);
  print(`\n${wrap(summary(findings, facts, survives))}`);
}

function signed(ms: number): string {
  const rounded = Math.round(ms);
  return rounded > 0 ? `+${rounded}` : `${rounded}`;
}

function paragraph(each: Finding): string {
  const head = `${each.severity.toUpperCase()} ${each.check}${each.nodes.length > 0 ? ` ${each.nodes.join(', ')}` : ''}`;
  return [
    wrap(head),
    wrap(each.what, '  '),
    wrap(`Risk: ${each.risk}`, '  '),
    wrap(`Remedy: ${each.remedy}`, '  '),
    `  ${linkOf(each)}`,
  ].join('\n');
}

/** Whether no program has used the nodes yet. */
function areNew(facts: readonly Facts[]): boolean {
  return facts.every(({ marker, failure }) => marker === undefined && failure === undefined);
}

function summary(findings: readonly Finding[], facts: readonly Facts[], survives: number): string {
  const state = areNew(facts)
    ? 'No program has used these nodes yet.'
    : survives < 0
      ? 'There is no quorum.'
      : `There is a quorum, which survives ${plural(survives, 'more failure')}.`;
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const found =
    findings.length === 0
      ? 'Nothing is wrong.'
      : `${plural(errors, 'error')}, ${plural(findings.length - errors, 'warning')}.`;
  return `${found} ${state}`;
}
