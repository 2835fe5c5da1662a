// Mutation tests of what decides who holds a lock: `npm run mutation`. Each mutant is a small change to the code that
// some unit test should notice; tests on real servers and tests that look at the source text have no part in it.
export default {
  testRunner: 'vitest',
  // Runs of their own are many and short, so they share one module cache.
  vitest: { configFile: 'vitest.mutation.config.ts', related: false },
  mutate: ['src/membership/**/*.ts', 'src/quorum/**/*.ts', 'src/lock/**/*.ts', 'src/waiting/**/*.ts'],
  concurrency: 2,
  // A mutant that is only slow, on a machine that is busy, must not pass for one that was found.
  timeoutMS: 10_000,
  thresholds: { high: 95, low: 90, break: 90 },
  // All that it writes is below coverage/, which git and the linter leave alone.
  tempDirName: 'coverage/mutation/sandbox',
  ignorePatterns: ['coverage', 'dist'],
  incremental: true,
  incrementalFile: 'coverage/mutation/incremental.json',
  reporters: ['clear-text', 'progress-append-only', 'json'],
  jsonReporter: { fileName: 'coverage/mutation/report.json' },
  clearTextReporter: { allowColor: false, logTests: false },
  // Its preprocessor needs an API that TypeScript 7 does not have; nothing here needs the preprocessor.
  tsconfigFile: 'none',
};
