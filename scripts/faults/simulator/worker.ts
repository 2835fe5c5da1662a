import { parentPort } from 'node:worker_threads';
import type { Share } from './all-cores.ts';
import { type SwarmTerms, swarm } from './swarm.ts';
import { describeFailure } from './verdict.ts';

// Of the many errors that a simulation makes no stack is read: a run that fails is told by its seed, and done again.
Error.stackTraceLimit = 0;

parentPort?.on('message', async (terms: SwarmTerms) => {
  const { failures, ...share } = await swarm(terms);
  const told: Share = {
    ...share,
    failures: failures.map(({ findings, violations }) => describeFailure(findings, violations)),
  };
  parentPort?.postMessage(told);
});
