import type { Command } from 'commander';
import { Deployment } from './deployment.ts';
import { ttlDuration } from './duration.ts';
import { EXIT } from './exit.ts';
import { type NodeOptions, withNodeOptions } from './node-options.ts';
import { confirm, print, printJson } from './terminal.ts';

interface InitOptions extends NodeOptions {
  readonly maxTtl?: number;
  readonly yes?: boolean;
}

const EXIT_CODES = `
For a new deployment whose programs say quarantine: 'strict', after the list of
nodes has changed, or after nodes were emptied on purpose. While a lock is held,
it may let a second holder in: end the programs that lock first.

Exit codes:
  0    every node votes
  64   the arguments make no sense, or it was not confirmed
  69   some nodes could not be initialized; the others vote`;

/** Adds `quorlock init`. */
export function addInit(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('init')
    .summary('declare that no lock is held, so that all nodes vote at once')
    .description('Declares that no lock is held on any node, and has all of them vote at once.')
    .option(
      '--max-ttl <duration>',
      "the programs' maxTtl (default: what the nodes know, or 30s)",
      ttlDuration,
    )
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', EXIT_CODES);
  withNodeOptions(command).action(async (options: InitOptions) => {
    await using deployment = await Deployment.open(options);
    const isNew = deployment.looks.every(({ marker }) => marker === undefined);
    const question = 'Programs have used these nodes. Is no lock held, and does no program lock now?';
    if (!(await confirm(question, isNew || options.yes === true))) return ended(EXIT.usage);
    const maxTtl = options.maxTtl ?? deployment.maxTtl ?? 30_000;
    await deployment.redlock({ quarantine: 'strict', maxTtl }).initialize();
    const nodes = deployment.looks.map(({ address }) => address);
    if (options.json === true) printJson({ nodes, maxTtl });
    else
      print(
        `${nodes.length === 1 ? 'The node votes' : `All ${nodes.length} nodes vote`}. The longest ttl is ${maxTtl} ms.`,
      );
    ended(EXIT.ok);
  });
}
