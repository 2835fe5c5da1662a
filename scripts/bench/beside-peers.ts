import { Fleet } from '../../test/fleet/fleet.ts';
import type { PeersArguments } from './peers/arguments.ts';
import type { Case } from './peers/cases.ts';
import { measure } from './peers/measure.ts';
import { MemberError } from './peers/member.ts';
import { ensurePeerPackages } from './peers/peer-packages.ts';
import { Results } from './peers/results.ts';
import { writeResults } from './peers/results-file.ts';
import { printResult } from './peers/tables.ts';
import { nameOf, type Variant, variantsOf } from './peers/variants.ts';
import { Workspace } from './peers/workspace.ts';

const NODES = 5;

/** quorlock beside its peers: they take turns on the same servers, in one run. */
export async function besidePeers(terms: PeersArguments): Promise<void> {
  ensurePeerPackages();
  const variants = variantsOf(terms.group, terms.peers);
  using workspace = await Workspace.make({ withQuorlock: terms.peers.includes('quorlock') });
  await using fleet = await Fleet.start(NODES);
  const { program } = workspace;
  const measureOne = async (one: Case, variant: Variant) => {
    if (one.kind !== 'failing') return await measure({ program, fleet, pace: terms.pace }, one, variant);
    await using doomed = await Fleet.start(NODES);
    return await measure({ program, fleet: doomed, pace: terms.pace }, one, variant);
  };
  const results = new Results(terms.cases, variants);
  const problems: string[] = [];
  for (let round = 0; round < terms.rounds; round += 1) {
    for (const one of terms.cases) {
      // Another one begins in every round.
      const turn = round % variants.length;
      for (const variant of [...variants.slice(turn), ...variants.slice(0, turn)]) {
        if (one.isOwn === true && variant.peer !== 'quorlock') continue;
        const what = `round ${round + 1} of ${terms.rounds}, case ${one.name}, ${nameOf(variant)}`;
        try {
          results.add(one, variant, await measureOne(one, variant));
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
    terms.group === 'contention'
      ? `five nodes, holders keep the lock for 1 ms; medians of ${terms.rounds} rounds of ${terms.pace.measuredMs} ms. ` +
          'A command is one that a client sends, whatever a script does on the server'
      : `five nodes, locks are given back at once; medians of ${terms.rounds} rounds of ${terms.pace.cyclesMs} ms`,
  );
  for (const result of results.all) printResult(result);
  for (const problem of problems) console.log(`\nnot measured: ${problem}`);
  if (terms.out !== undefined) {
    console.log(`\nall figures: ${writeResults(terms.out, terms, results.all, problems)}`);
  }
  if (problems.length > 0) process.exitCode = 1;
}
