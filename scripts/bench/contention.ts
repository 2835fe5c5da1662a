import { Fleet } from '../../test/fleet/fleet.ts';
import type { ContentionArguments } from './contention/arguments.ts';
import { type Bench, measure } from './contention/measure.ts';
import { MemberError } from './contention/member.ts';
import { ensurePeerPackages } from './contention/peer-packages.ts';
import { Results } from './contention/results.ts';
import { writeResults } from './contention/results-file.ts';
import { printResult } from './contention/tables.ts';
import { isQuorlock, nameOf, variantsOf } from './contention/variants.ts';
import { Workspace } from './contention/workspace.ts';

const NODES = 5;

/** quorlock beside its peers where many want one lock: they take turns on the same servers, in one run. */
export async function contention(terms: ContentionArguments): Promise<void> {
  ensurePeerPackages();
  const variants = variantsOf(terms.peers);
  using workspace = await Workspace.make({ withQuorlock: variants.some(isQuorlock) });
  await using fleet = await Fleet.start(NODES);
  const bench: Bench = { program: workspace.program, urls: fleet.urls, pace: terms.pace };
  const results = new Results(terms.cases, variants);
  const problems: string[] = [];
  for (let round = 0; round < terms.rounds; round += 1) {
    for (const one of terms.cases) {
      // Another one begins in every round.
      const turn = round % variants.length;
      for (const variant of [...variants.slice(turn), ...variants.slice(0, turn)]) {
        const what = `round ${round + 1} of ${terms.rounds}, case ${one.name}, ${nameOf(variant)}`;
        try {
          results.add(one, variant, await measure(bench, one, variant));
          console.error(what);
        } catch (error) {
          if (!(error instanceof MemberError)) throw error;
          problems.push(`${what}: ${error.message}`);
          console.error(problems.at(-1));
        }
      }
    }
  }
  console.log(
    `five nodes, holders keep the lock for 1 ms; medians of ${terms.rounds} rounds of ${terms.pace.measuredMs} ms. ` +
      'A command is one that a client sends, whatever a script does on the server',
  );
  for (const result of results.all) printResult(result);
  for (const problem of problems) console.log(`\nnot measured: ${problem}`);
  if (terms.out !== undefined) {
    console.log(`\nall figures: ${writeResults(terms.out, terms, results.all, problems)}`);
  }
  if (problems.length > 0) process.exitCode = 1;
}
