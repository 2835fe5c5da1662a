import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OF_TEXTS } from '../../vitest.config.ts';
import { type Side, textsOf, type Variant } from './change.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What is not copied: the packages are shared, and the rest is made by running something. */
const NOT_COPIED = /^(?:node_modules|\.git|dist|coverage|[\w-]+-report)(?:\/|$)/;

/** The unit tests, but for those that look at the text of the sources. */
const UNIT = ['--project', 'unit', '--maxWorkers=1', '--exclude', 'test/*.test.ts', '--exclude', OF_TEXTS];

/** Without the test that the texts that are to be replaced are there. */
const project = (name: string) => [
  ...['--project', name, '--no-file-parallelism'],
  ...['--exclude', 'test/fleet/rule-texts.test.ts'],
];

/** Tests that are run together. Later tiers take longer. */
interface Tier {
  readonly name: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds after which it is taken to hang, which is a way to notice. */
  readonly longestMs: number;
}

const MODEL_RULES = tier('rules of a simulated node', [...UNIT, 'test/unit/rules/scripts.test.ts'], 60_000);
const SERVER_RULES = tier('rules of a real node', [...project('fleet'), 'test/fleet/rules.test.ts'], 120_000);
/** They take most of the time, or have little to do with the rules. */
const SLOW_UNIT = [
  ...[
    'bulk.test.ts',
    'commands.test.ts',
    'lease/random.test.ts',
    'waiting/outages.test.ts',
    'waiting/order.test.ts',
  ],
  ...['bench/**', 'chaos/**', 'drift/**', 'fencing/**', 'checkers/**'],
];
const WITHOUT_SLOW = SLOW_UNIT.flatMap((file) => ['--exclude', `test/unit/${file}`]);
const FAST_UNIT = tier('fast unit', [...UNIT, ...WITHOUT_SLOW], 300_000);
const ALL_UNIT = tier('unit', UNIT, 600_000);
const CONFORMANCE: Tier = {
  ...tier('conformance', project('conformance'), 300_000),
  env: { QUORLOCK_CONFORMANCE_RUNS: '2000' },
};
const SIMULATION: Tier = {
  ...tier('simulation', project('simulation'), 900_000),
  env: { QUORLOCK_CYCLES: '30000' },
};
const FLEET = tier('fleet', project('fleet'), 900_000);

/** The unit tests of the files that are changed, as their names tell, and those of the rules. */
function nearby(paths: Iterable<string>): Tier {
  const names = [...paths].map((path) => path.replace(/\.\w+$/, '').split('/'));
  const words = names.flatMap((name) => [`/${name.at(-1)}`, `unit/${name.at(-2)}`]);
  return tier('nearby', [...UNIT, ...WITHOUT_SLOW, ...new Set(words), 'unit/rules/'], 300_000);
}

function tier(name: string, args: readonly string[], longestMs: number): Tier {
  return { name, args, longestMs };
}

/** The tiers that can notice a variant, the fastest first. Where script and model change alike, they agree. */
function tiersFor(
  sides: readonly Side[],
  paths: Iterable<string>,
  known: Notice | undefined,
): readonly Tier[] {
  const others = otherTiersFor(sides, paths);
  if (known === undefined) return others;
  const alone = tierOf(known.file);
  return alone === undefined ? others : [testIn(alone, known.test), alone, ...others];
}

function otherTiersFor(sides: readonly Side[], paths: Iterable<string>): readonly Tier[] {
  if (sides.includes('code')) return [nearby(paths), FAST_UNIT, ALL_UNIT, SIMULATION, CONFORMANCE, FLEET];
  if (!sides.includes('model')) return [SERVER_RULES, CONFORMANCE, FLEET];
  if (!sides.includes('lua')) return [MODEL_RULES, FAST_UNIT, ALL_UNIT, CONFORMANCE];
  return [MODEL_RULES, SERVER_RULES, FAST_UNIT, ALL_UNIT, SIMULATION, FLEET];
}

/** The tier that has one file alone; undefined if it is no file of a tier. */
function tierOf(file: string): Tier | undefined {
  const [, folder = ''] = file.split('/');
  const all = [ALL_UNIT, CONFORMANCE, SIMULATION, FLEET].find(({ name }) => name === folder);
  return all && { ...all, name: file, args: [...all.args, file] };
}

/** One test of a file, by its name as a page has it; no test at all where the file has none of that name. */
function testIn(alone: Tier, test: string): Tier {
  const pattern = test.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&').replaceAll(' ', '\\s+');
  return { ...alone, args: [...alone.args, '--testNamePattern', `^${pattern}$`] };
}

/** A test that notices a variant. */
export interface Notice {
  readonly file: string;
  readonly test: string;
}

/** In the place of a test's name: the tests of a tier run on for ever, or the runner fails where no test does. */
const DOES_NOT_END = 'does not end';
const FAILS = 'fails as a whole';

/** Whether each file's tests pass without a change. Copies that work at once share it. */
export type Soundness = Map<string, Promise<boolean>>;

/** A copy of the tree, in which one variant after the other is tried. */
export class Workshop implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'quorlock-rules-'));
  #stop: (() => void) | undefined;
  #isStopped = false;
  readonly #soundness: Soundness;
  /** Files whose failures say nothing. */
  readonly #unsound = new Set<string>();

  constructor(soundness: Soundness) {
    this.#soundness = soundness;
    const filter = (path: string) => !NOT_COPIED.test(relative(ROOT, path));
    cpSync(ROOT, this.#folder, { recursive: true, filter });
    symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(this.#folder, 'node_modules'));
  }

  /**
   * Runs the tiers until a test fails.
   *
   * @param known the test that noticed it before, which is run first
   * @returns the test that notices it; undefined if none does
   */
  async try(
    variant: Variant,
    known: Notice | undefined,
    progress: (tier: string) => void,
  ): Promise<Notice | undefined> {
    const texts = textsOf(variant, (path) => readFileSync(join(ROOT, path), 'utf8'));
    for (const each of tiersFor(variant.sides, texts.keys(), known)) {
      progress(each.name);
      const notice = await this.#noticeIn(each, texts);
      if (notice !== undefined) return notice;
    }
    return undefined;
  }

  /** Ends what runs. */
  stop(): void {
    this.#isStopped = true;
    this.#stop?.();
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** What fails in a tier due to the change. A test that fails without it too, or only together with others, notices nothing. */
  async #noticeIn(tier: Tier, texts: ReadonlyMap<string, string>): Promise<Notice | undefined> {
    for (;;) {
      const notice = await this.#with(texts, tier);
      if (notice === undefined) return undefined;
      const alone = tierOf(notice.file);
      if (alone === undefined) return (await this.#run(tier)) === undefined ? notice : undefined;
      const isAlone = tier.args.includes(notice.file);
      const fails = isAlone || (await this.#with(texts, alone)) !== undefined;
      if (fails && (await this.#isSound(alone))) return notice;
      if (isAlone) return undefined;
      this.#unsound.add(notice.file);
    }
  }

  /** On a busy machine a test on real servers may be too late once. */
  #isSound(alone: Tier): Promise<boolean> {
    const passes = async () => (await this.#run(alone)) === undefined;
    const isSound = this.#soundness.get(alone.name) ?? passes().then((first) => first || passes());
    this.#soundness.set(alone.name, isSound);
    return isSound;
  }

  /** Runs a tier with these texts in the place of those that the tree has. */
  async #with(texts: ReadonlyMap<string, string>, each: Tier): Promise<Notice | undefined> {
    for (const [path, text] of texts) writeFileSync(join(this.#folder, path), text);
    try {
      return await this.#run(each);
    } finally {
      for (const path of texts.keys()) cpSync(join(ROOT, path), join(this.#folder, path));
    }
  }

  async #run({ name, args, env, longestMs }: Tier): Promise<Notice | undefined> {
    if (this.#isStopped) return undefined;
    const report = join(this.#folder, 'report.json');
    rmSync(report, { force: true });
    // A file that fails only together with others may still notice something alone.
    const excluded = [...this.#unsound].flatMap((file) => (args.includes(file) ? [] : ['--exclude', file]));
    const outcome = await this.#spawn(
      [
        'run',
        ...args,
        ...excluded,
        '--bail=1',
        '--passWithNoTests',
        '--reporter=json',
        `--outputFile=${report}`,
      ],
      env,
      longestMs,
    );
    if (outcome === 'passed' || this.#isStopped) return undefined;
    if (outcome === 'hung') return { file: name, test: DOES_NOT_END };
    return this.#firstFailureIn(report, name);
  }

  #spawn(
    args: readonly string[],
    env: Tier['env'],
    longestMs: number,
  ): Promise<'passed' | 'failed' | 'hung'> {
    return new Promise((resolve, reject) => {
      const vitest = join(this.#folder, 'node_modules', '.bin', 'vitest');
      const child = spawn(vitest, args, {
        cwd: this.#folder,
        env: { ...process.env, ...env },
        stdio: 'ignore',
        // Its workers end with it: some variants never come to an end by themselves.
        detached: true,
      });
      let isHung = false;
      const end = () => {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      };
      this.#stop = end;
      const timer = setTimeout(() => {
        isHung = true;
        end();
      }, longestMs);
      child.on('error', reject);
      child.on('close', (code) => {
        clearTimeout(timer);
        this.#stop = undefined;
        resolve(isHung ? 'hung' : code === 0 ? 'passed' : 'failed');
      });
    });
  }

  #firstFailureIn(path: string, tier: string): Notice {
    if (!existsSync(path)) return { file: tier, test: FAILS };
    const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
    for (const { name, assertionResults } of report.testResults) {
      const failed = assertionResults.find(({ status }) => status === 'failed');
      if (failed !== undefined) return { file: relative(this.#folder, name), test: failed.fullName };
    }
    const broken = report.testResults.find(({ status }) => status === 'failed');
    if (broken === undefined) return { file: tier, test: FAILS };
    return { file: relative(this.#folder, broken.name), test: 'as a whole' };
  }
}

/** What is read of Vitest's report. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}
