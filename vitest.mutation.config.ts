import { defineConfig } from 'vitest/config';

// For stryker.config.mjs: the unit tests, but for those that read the source text or the documents.
export default defineConfig({
  test: {
    include: ['test/unit/**/*.test.ts'],
    exclude: ['test/unit/docs.test.ts', 'test/unit/readme.test.ts', 'test/unit/budget.test.ts'],
    testTimeout: 20_000,
    // A mutant is run a thousand times over: loading everything anew for each file would take most of the time.
    isolate: false,
  },
});
