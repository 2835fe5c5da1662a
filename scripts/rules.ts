// Takes the rules of the protocol out, one after the other, and looks for a test that notices: npm run rules -- --help
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { type Variant, variantsOf } from './rules/change.ts';
import { FAULTS } from './rules/faults.ts';
import { keyOf, type Notices, noticesIn, pageOf, whereOf } from './rules/page.ts';
import { RULES } from './rules/rules.ts';
import { type Soundness, Workshop } from './rules/trial.ts';
import { positive, UsageError } from './support/arguments.ts';

const PAGE = new URL('../docs/rules.md', import.meta.url);

const HELP = `Usage: npm run rules -- [options] [WORD…]

Each rule of the protocol is taken out of a copy of the sources: of the Lua scripts, of the simulated nodes, of both, or of
the library's own code. Each of the worst faults so far is brought back in the same way. Tests run until one fails; first
the one that docs/rules.md names. With words: only the rules and faults that have one of them.

Options:
  --part N/M   only every Mth of them, from the Nth on
  --missing    only those that docs/rules.md has no test for
  --jobs N     how many copies at once; default: the number of cores
  --accept     writes what was found to docs/rules.md
  --list       says what there is
  --help       this text

Exit code: 0 if a test notices each, 1 if not, 2 for wrong arguments.
`;

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        part: { type: 'string' },
        missing: { type: 'boolean' },
        jobs: { type: 'string' },
        accept: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** @throws {UsageError} `part` is not of the form N/M */
function chosen(variants: readonly Variant[], words: readonly string[], part = '1/1'): readonly Variant[] {
  const [, at, of] = (/^(\d+)\/(\d+)$/.exec(part) ?? []).map(Number);
  if (at === undefined || of === undefined || at < 1 || at > of) {
    throw new UsageError(`--part must be N/M, with N from 1 to M: got "${part}"`);
  }
  return variants
    .filter(({ change }) => words.length === 0 || words.some((word) => change.name.includes(word)))
    .filter((_, index) => index % of === at - 1);
}

/** Tries all of them, several at once. What was found, by {@link keyOf}. */
async function tryAll(variants: readonly Variant[], known: Notices, jobs: number): Promise<Notices> {
  const found = new Map(noticesIn(''));
  const rest = [...variants];
  const soundness: Soundness = new Map();
  let isStopped = false;
  const work = async () => {
    using workshop = new Workshop(soundness);
    const stop = () => {
      rest.length = 0;
      isStopped = true;
      workshop.stop();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
    for (let variant = rest.shift(); variant !== undefined; variant = rest.shift()) {
      const key = keyOf(variant);
      const startedAt = performance.now();
      const tiers: string[] = [];
      const notice = await workshop.try(variant, known.get(key), (tier) => tiers.push(tier));
      if (isStopped) return;
      found.set(key, notice);
      const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
      const by =
        notice === undefined ? `NOT NOTICED by ${tiers.join(', ')}` : `${notice.file} › ${notice.test}`;
      console.log(
        `${found.size}/${variants.length} ${variant.change.name} (${whereOf(variant)}), ${seconds} s: ${by}`,
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, variants.length) }, work));
  return found;
}

async function main(): Promise<number> {
  const { values, positionals } = parse();
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const known = noticesIn(readFileSync(PAGE, 'utf8'));
  const variants = chosen([...RULES, ...FAULTS].flatMap(variantsOf), positionals, values.part).filter(
    (variant) => !values.missing || !known.has(keyOf(variant)),
  );
  if (values.list) {
    for (const variant of variants) console.log(`${variant.change.name} (${whereOf(variant)})`);
    return 0;
  }
  const found = await tryAll(variants, known, positive('--jobs', values.jobs, availableParallelism()));
  if (values.accept) writeFileSync(PAGE, pageOf(RULES, FAULTS, new Map([...known, ...found])));
  const missed = [...found].filter(([, notice]) => notice === undefined);
  for (const [key] of missed) console.log(`\nNo test notices: ${key}`);
  console.log(
    `\n${found.size - missed.length} passed, ${missed.length + variants.length - found.size} failed`,
  );
  return missed.length === 0 && found.size === variants.length ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\nSee npm run rules -- --help\n`);
  process.exitCode = 2;
}
