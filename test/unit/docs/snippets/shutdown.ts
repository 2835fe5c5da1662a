import type { Redlock } from '../../../../src/index.ts';

export function endOnSigterm(redlock: Redlock): void {
  process.once('SIGTERM', async () => {
    await redlock.close(); // routines are asked to stop, and keep their locks until they have
    process.exit();
  });
}
