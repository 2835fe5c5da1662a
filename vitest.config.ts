import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What the examples import by the name of the package is the code of this repository. */
export const alias = [
  ['quorlock/fencing', 'src/fencing/index.ts'],
  ['quorlock/otel', 'src/otel/index.ts'],
  ['quorlock/redlock', 'src/compat/redlock.ts'],
  ['quorlock/testing', 'src/testing/index.ts'],
  ['quorlock', 'src/index.ts'],
].map(([find = '', path = '']) => ({ find, replacement: fileURLToPath(new URL(path, import.meta.url)) }));

/** Unit tests that read the source text or the documents: no change to the code is theirs to notice. */
export const OF_TEXTS = 'test/unit/{docs,readme,readme-zh,budget,prose}.test.ts';

const project = (name: string, include: string[], testTimeout: number, isolate = true) => ({
  resolve: { alias },
  test: { name, include, testTimeout, hookTimeout: 120_000, environment: 'node' as const, isolate },
});

/** Files that take long, the longest first: what begins last and takes long has a runner of the fleet wait for it. */
const LONGEST = ['safety', 'command/run', 'command/look', 'clients', 'demo', 'command/doctor', 'nodes'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONGEST.findIndex((name) => moduleId.endsWith(`/fleet/${name}.test.ts`));
      return place === -1 ? LONGEST.length : place;
    };
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}

export default defineConfig({
  test: {
    // Most tests keep one core busy each, and the runner itself hardly any; by default it would leave it one of two.
    maxWorkers: '100%',
    // Tests of one file that run at once are those that mostly wait.
    maxConcurrency: 24,
    sequence: { sequencer: LongestFirst },
    // An unhandled rejection anywhere fails the run: a lock library must not leak one.
    dangerouslyIgnoreUnhandledErrors: false,
    projects: [
      // To load the library anew for each of their files, and to compile it for speed, takes more time than all of their tests.
      project('unit', ['test/unit/**/*.test.ts', 'test/*.test.ts'], 120_000, false),
      project('engines', ['test/engines/**/*.test.ts'], 120_000),
      project('conformance', ['test/conformance/**/*.test.ts'], 300_000),
      project(
        'simulation',
        ['test/simulation/**/*.test.ts', 'test/faults/simulator.test.ts'],
        300_000,
        false,
      ),
      project('package', ['test/package/**/*.test.ts'], 240_000),
      project('examples', ['test/examples/**/*.test.ts'], 120_000),
      project('browser', ['test/browser/**/*.test.ts'], 120_000),
      project('chaos', ['test/chaos/**/*.test.ts', 'test/faults/fleet.test.ts'], 120_000),
      project('fleet', ['test/fleet/**/*.test.ts'], 240_000, false),
    ],
  },
});
