import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../support/arguments.ts';
import { tableText } from '../../support/report/terminal.ts';
import { measureBesidePeers } from '../beside-peers.ts';
import { measureHeld } from '../held.ts';
import { measureHung } from '../hung.ts';
import { measureMemory } from '../memory.ts';
import { BRIEF, chosen, type Limiter, type PeersValues, peersArguments } from '../peers/arguments.ts';
import type { Group } from '../peers/cases.ts';
import { measureQuorums } from '../quorums.ts';
import {
  type BenchData,
  dataOf,
  type Parts,
  type PeersData,
  readData,
  thisMachine,
  writeData,
} from './data.ts';
import { pageOf, sectionsOf } from './page.ts';
import { pictureOf } from './picture.ts';
import { writeSummary } from './summary.ts';

export const REPORT_OPTIONS = { parts: { type: 'string' }, draw: { type: 'boolean' } } as const;

export const REPORT_HELP = `Options of report:
  --out FOLDER   where bench.json, bench.html and bench.svg are written; default bench-report
  --parts LIST   measure only these anew, and take the rest from bench.json: throughput,failures,contention,held,hung,memory,quorums
  --draw         measure nothing, draw what bench.json has; a report must have been run before
  --rounds N     of throughput; default 3
`;

/** One library and one round: there is time. */
const FAILING: Limiter = { ...BRIEF, cyclesMs: 3_000 };

const OUT = 'bench-report';

type Measures = { readonly [Name in keyof Parts]: () => Promise<Parts[Name]> };

/** Measures what it is made of, and writes it. Everything takes about eight minutes. */
export async function report(
  values: PeersValues & { readonly parts?: string | undefined; readonly draw?: boolean | undefined },
): Promise<void> {
  const { out = OUT, rounds = '3' } = values;
  const measures: Measures = {
    throughput: () => besidePeers('throughput', { rounds, case: '1,16,64,256,1024' }, BRIEF),
    failures: () =>
      besidePeers('throughput', { rounds: '1', case: 'hung,killed', only: 'quorlock' }, FAILING),
    contention: () => besidePeers('contention', { rounds: '1', case: '32' }, BRIEF),
    held: measureHeld,
    hung: measureHung,
    memory: measureMemory,
    quorums: measureQuorums,
  };
  const names =
    values.draw === true
      ? []
      : chosen('--parts', values.parts, Object.keys(measures) as (keyof Parts)[], (name) => name);
  let data: BenchData = { ...readData(out), ...thisMachine() };
  if (values.draw === true) data = drawn(out);
  for (const name of names) {
    console.error(`measuring ${name}`);
    data = { ...data, [name]: await measures[name]() };
    // Whatever comes after it: this has been measured.
    writeData(out, data);
  }
  const sections = sectionsOf(data);
  for (const table of sections.flatMap(({ tables }) => tables)) console.log(tableText(table));
  writeFileSync(join(out, 'bench.html'), pageOf(data, sections));
  writeFileSync(join(out, 'bench.svg'), pictureOf(data));
  writeSummary(out, data);
  console.log(`\nCharts: ${join(out, 'bench.html')} and bench.svg\nNumbers: ${join(out, 'bench.json')}`);
}

async function besidePeers(group: Group, values: PeersValues, pace: Limiter): Promise<PeersData> {
  const terms = { ...peersArguments(group, values), pace };
  const { results, problems } = await measureBesidePeers(terms);
  return { rounds: terms.rounds, pace: terms.pace, cases: dataOf(results), problems };
}

/** @throws {UsageError} where nothing has been measured yet */
function drawn(out: string): BenchData {
  const data = readData(out);
  if (data !== undefined) return data;
  throw new UsageError(
    `there is no ${join(out, 'bench.json')} to draw: run "npm run bench -- report --out ${out}" first, without --draw`,
  );
}
