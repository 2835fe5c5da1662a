import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { alias, OF_TEXTS } from './vitest.config.ts';

/** The quickest first, by the last run: most mutants are found by several tests, and the first that fails ends a run. */
class QuickestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).reverse();
  }
}

/** They try much at random, or are about scripts. They take as long as all others, which Stryker's runs have to fit. */
const SLOW = [
  'test/unit/{commands,bulk,adoption-random,diagnostics-values}.test.ts',
  'test/unit/{bench,drift,faults,rules}/**',
  'test/unit/lease/random.test.ts',
];

// For stryker.config.mjs: the unit tests, but for those that read the source text or the documents.
export default defineConfig({
  resolve: { alias },
  test: {
    include: ['test/unit/**/*.test.ts'],
    exclude: [OF_TEXTS, ...SLOW],
    sequence: { sequencer: QuickestFirst },
    // Stryker itself ends what a mutant lets hang. Without a mutant a test on a busy machine may take as long as in npm test.
    testTimeout: 120_000,
    // A mutant is run a thousand times over: loading everything anew for each file would take most of the time.
    isolate: false,
  },
});
