// Runs the library under virtual time, through random faults, and judges what it did: npm run simulate -- --help

import { HELP, parseArguments, type SimulateArguments } from './simulate/arguments.ts';
import { drawMix } from './simulate/mix.ts';
import { run } from './simulate/run.ts';
import { swarm } from './simulate/swarm.ts';
import { describeFailure, overtakenOf, violationsOf } from './simulate/verdict.ts';
import { UsageError } from './support/arguments.ts';

async function runOne({ seed, cycles, broken, isTraced }: SimulateArguments): Promise<boolean> {
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const findings = await run(drawMix(seed, broken, cycles), isTraced ? print : undefined);
  const violations = violationsOf(findings);
  print(
    `${findings.locks.length} locks, ${overtakenOf(findings)} of them to somebody who had asked later than another`,
  );
  print(violations.length === 0 ? 'every promise held' : describeFailure(findings, violations));
  return violations.length === 0;
}

async function runMany({ seed, runs, cycles, broken }: SimulateArguments): Promise<boolean> {
  const startedAt = performance.now();
  const { failures, locks, overtaken, ...many } = await swarm({
    seed,
    broken,
    cyclesPerRun: cycles,
    runs,
    progress: (soFar) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${soFar.runs} of ${runs} runs, ${soFar.locks} locks`);
    },
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  console.log(
    `${process.stderr.isTTY ? '\n' : ''}${many.runs} runs from seed ${seed}: ${locks} locks in ${seconds.toFixed(1)} s ` +
      `(${Math.round(locks / seconds)}/s), ${overtaken} of them to somebody who had asked later than another`,
  );
  for (const { findings, violations } of failures) console.log(`\n${describeFailure(findings, violations)}`);
  console.log(failures.length === 0 ? 'every promise held' : `\n${failures.length} runs broke a promise`);
  return failures.length === 0;
}

try {
  const chosen = parseArguments(process.argv.slice(2));
  if (chosen.isHelp) console.log(HELP);
  else process.exitCode = (await (chosen.runs === 1 ? runOne(chosen) : runMany(chosen))) ? 0 : 1;
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${HELP}`);
  process.exitCode = 2;
}
