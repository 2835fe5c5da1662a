import type { Peer } from '../peers/peer.ts';
import type { CommandCounter } from './commands.ts';
import { Contender } from './contender.ts';
import type { RunReport, RunTerms } from './protocol.ts';
import { Stopwatch } from './stopwatch.ts';

/** Lets contenders contend for as long as the terms say, and not for longer, whatever the library does. */
export async function run(peer: Peer, terms: RunTerms, commands: CommandCounter): Promise<RunReport> {
  const stopwatch = new Stopwatch(terms.startAt);
  const contenders = Array.from(
    { length: terms.contenders },
    () => new Contender(peer, terms.resource, stopwatch),
  );
  await stopwatch.until(0);
  for (const contender of contenders) void contender.run();
  await stopwatch.until(terms.warmUpMs);
  const sentBefore = commands.sent;
  await stopwatch.until(terms.warmUpMs + terms.measuredMs);
  const sent = commands.sent - sentBefore;
  return { contenders: contenders.map((contender) => contender.stop()), commands: sent };
}
