import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { alias } from './vitest.config.ts';

/** The quickest first, by the last run: most mutants are found by several tests, and the first that fails ends a run. */
class QuickestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).reverse();
  }
}

// For stryker.config.mjs: the unit tests, but for those that read the source text or the documents, that are about
// scripts, or that try much at random and take as long as all others together.
export default defineConfig({
  resolve: { alias },
  test: {
    include: ['test/unit/**/*.test.ts'],
    exclude: [
      'test/unit/{docs,readme,readme-zh,budget,prose,commands,dashboard,site,bulk,adoption-random,diagnostics-values}.test.ts',
      'test/unit/{bench,docs,drift,faults,rules}/**',
      'test/unit/lease/random.test.ts',
    ],
    sequence: { sequencer: QuickestFirst },
    testTimeout: 20_000,
    // A mutant is run a thousand times over: loading everything anew for each file would take most of the time.
    isolate: false,
  },
});
