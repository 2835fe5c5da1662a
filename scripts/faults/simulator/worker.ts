import { parentPort, workerData } from 'node:worker_threads';
import type { Share } from './all-cores.ts';
import { type SwarmTerms, swarm } from './swarm.ts';
import { describeFailure } from './verdict.ts';

const { failures, ...share } = await swarm(workerData as SwarmTerms);
const told: Share = {
  ...share,
  failures: failures.map(({ findings, violations }) => describeFailure(findings, violations)),
};
parentPort?.postMessage(told);
