import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { PeerSettings } from '../../bench/peers/peer.ts';
import { Fleet } from '../fleet/fleet.ts';
import { printTable, quantile } from './figures.ts';
import { BRIEF } from './peers/arguments.ts';
import { typical } from './peers/figures.ts';
import { cyclesInTurns } from './peers/measure.ts';
import { WarmCrews } from './peers/warm-crews.ts';
import { Workspace } from './peers/workspace.ts';

const NODES = 5;
const WORKERS = [1, 64];
const ROUNDS = 25;

/** In the place of Node's channels: none listens, which takes no call to find out. */
const NO_CHANNELS =
  '{ channel: () => ({ hasSubscribers: false }), tracingChannel: () => ({ hasSubscribers: false }) }';

const ASKING = /process\.\s*getBuiltinModule\(\s*"node:diagnostics_channel"\s*\)/;

/** `npm run bench -- observed`: what the channels cost, beside the same build without any. */
export async function observed(): Promise<void> {
  using plain = await Workspace.make();
  using without = await Workspace.make();
  takeChannelsOut(without.quorlock);
  await using fleet = await Fleet.start(NODES);
  const crewsOf = ({ program }: Workspace) =>
    new WarmCrews({ program, urls: fleet.urls, workers: WORKERS, ms: BRIEF.cyclesWarmUpMs });
  await using withoutChannels = crewsOf(without);
  await using withChannels = crewsOf(plain);
  const builds: readonly [name: string, crews: WarmCrews, settings: PeerSettings][] = [
    ['without channels', withoutChannels, 'shipped'],
    ['no listener', withChannels, 'shipped'],
    ['a listener on each', withChannels, 'heard'],
  ];
  const rows = WORKERS.flatMap((workers) =>
    builds.map(([name, crews, settings]) => {
      const variant = { peer: 'quorlock', settings } as const;
      return { name, crews, fleet, variant, workers };
    }),
  );
  console.log(
    `one process, locks of their own; medians of ${ROUNDS} rounds of ${BRIEF.cyclesMs} ms, in turns`,
  );
  const all = await cyclesInTurns(rows, ROUNDS);
  const table = rows.map(({ name, workers }, at) => {
    const own = all[at] ?? [];
    const base = all[rows.findIndex((row) => row.workers === workers)] ?? [];
    const { rate = Number.NaN, clientUs = Number.NaN } = typical(own);
    const ratios = own.map(
      (figures, round) => (figures.clientUs ?? Number.NaN) / (base[round]?.clientUs ?? Number.NaN),
    );
    const more = `${(100 * (quantile(ratios, 0.5) - 1)).toFixed(1)} %`;
    return [name, workers, rate.toFixed(0), clientUs.toFixed(1), more];
  });
  printTable(['build', 'workers', 'cycles/s', 'client µs', 'more client time'], table);
}

/** @throws {Error} the build has no channels where they were */
function takeChannelsOut(entry: string): void {
  const file = join(dirname(entry), 'chunks', 'redlock.cjs');
  // The lines of the build end anywhere, in strings too.
  const code = readFileSync(file, 'utf8').replaceAll('\\\n', '');
  const stubbed = code.replace(ASKING, NO_CHANNELS);
  if (stubbed === code) throw new Error(`${file} does not ask for node:diagnostics_channel`);
  writeFileSync(file, stubbed);
}
