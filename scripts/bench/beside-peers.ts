import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fleet } from '../fleet/fleet.ts';
import { WorkerError } from '../fleet/worker-process.ts';
import { tableText } from '../support/report/terminal.ts';
import type { PeersArguments } from './peers/arguments.ts';
import type { Case } from './peers/cases.ts';
import { measure } from './peers/measure.ts';
import { type CaseResult, Results } from './peers/results.ts';
import { isQuorlock, nameOf, type Variant, variantsOf } from './peers/variants.ts';
import { WarmCrews } from './peers/warm-crews.ts';
import { Workspace } from './peers/workspace.ts';
import { caseTable, goals } from './report/beside-sections.ts';
import { thisMachine } from './report/data.ts';

const NODES = 5;

/** quorlock beside its peers, in tables. */
export async function besidePeers(terms: PeersArguments): Promise<void> {
  const { results, problems } = await measureBesidePeers(terms);
  console.log(introduction(terms));
  for (const result of results) {
    for (const table of [caseTable(result), goals([result])]) console.log(tableText(table));
  }
  for (const problem of problems) console.log(`\nnot measured: ${problem}`);
  const { group, rounds, pace, out } = terms;
  if (out !== undefined) {
    mkdirSync(out, { recursive: true });
    const path = join(out, `${group}.json`);
    // Figures that are not numbers become null.
    const content = { ...thisMachine(), rounds, pace, results, problems };
    writeFileSync(path, `${JSON.stringify(content, undefined, 2)}\n`);
    console.log(`\nall figures: ${path}`);
  }
  if (problems.length > 0) process.exitCode = 1;
}

export interface BesidePeers {
  readonly results: readonly CaseResult[];
  /** What could not be measured, and why. */
  readonly problems: readonly string[];
}

/** quorlock and its peers take turns on the same servers, in one run. */
export async function measureBesidePeers(terms: PeersArguments): Promise<BesidePeers> {
  const variants = variantsOf(terms.group, terms.peers);
  using workspace = await Workspace.make({ withQuorlock: terms.peers.includes('quorlock') });
  await using fleet = await Fleet.start(NODES);
  const { program } = workspace;
  await using crews = new WarmCrews({
    program,
    urls: fleet.urls,
    workers: terms.cases.filter(isWarmUp).map((one) => one.contendersEach),
    ms: terms.pace.cyclesWarmUpMs,
  });
  const bench = { program, fleet, pace: terms.pace, crews };
  const measureOne = async (one: Case, variant: Variant) => {
    if (one.kind !== 'failing') return await measure(bench, one, variant);
    await using doomed = await Fleet.start(NODES);
    return await measure({ ...bench, fleet: doomed }, one, variant);
  };
  const results = new Results(terms.cases, variants);
  const problems: string[] = [];
  for (let round = 0; round < terms.rounds; round += 1) {
    for (const one of terms.cases) {
      // Another one begins in every round.
      const turn = round % variants.length;
      for (const variant of [...variants.slice(turn), ...variants.slice(0, turn)]) {
        if (one.isOwn === true && !isQuorlock(variant)) continue;
        const what = `round ${round + 1} of ${terms.rounds}, case ${one.name}, ${nameOf(variant)}`;
        try {
          results.add(one, variant, await measureOne(one, variant));
          console.error(what);
        } catch (error) {
          if (!(error instanceof WorkerError)) throw error;
          await crews.drop(variant);
          problems.push(`${what}: ${error.message}`);
          console.error(problems.at(-1));
        }
      }
    }
  }
  return { results: results.all, problems };
}

/** Who can't serve very many in time while he is cold must not fail in all other cases too. */
function isWarmUp({ kind, contendersEach }: Case): boolean {
  return kind === 'cycles' && contendersEach <= MOST_WHILE_COLD;
}

const MOST_WHILE_COLD = 256;

function introduction({ group, rounds, pace }: PeersArguments): string {
  return group === 'contention'
    ? `five nodes, holders keep the lock for 1 ms; medians of ${rounds} rounds of ${pace.measuredMs} ms. ` +
        'A command is one that a client sends, whatever a script does on the server'
    : `five nodes, locks are given back at once; medians of ${rounds} rounds of ${pace.cyclesMs} ms. ` +
        `Each library has a process that stays for all rounds, and was warmed up for ${pace.cyclesWarmUpMs} ms` +
        (pace.cyclesWarmUpMs < WARM_MS ? ': too short, compilers were still at work' : '');
}

/** After it no library here gets faster any more by much: its own code, the driver's and Node's are compiled. */
const WARM_MS = 5_000;
