import { defineConfig } from 'vitest/config';

const project = (name: string, include: string[], testTimeout: number) => ({
  test: { name, include, testTimeout, hookTimeout: 60_000, environment: 'node' as const },
});

export default defineConfig({
  test: {
    // An unhandled rejection anywhere fails the run: a lock library must not leak one.
    dangerouslyIgnoreUnhandledErrors: false,
    projects: [
      project('unit', ['test/unit/**/*.test.ts', 'test/*.test.ts'], 20_000),
      project('engines', ['test/engines/**/*.test.ts'], 60_000),
      project('conformance', ['test/conformance/**/*.test.ts'], 300_000),
      project('simulation', ['test/simulation/**/*.test.ts'], 300_000),
      project('package', ['test/package/**/*.test.ts'], 120_000),
      project('browser', ['test/browser/**/*.test.ts'], 60_000),
      project('fleet', ['test/fleet/**/*.test.ts'], 120_000),
    ],
  },
});
