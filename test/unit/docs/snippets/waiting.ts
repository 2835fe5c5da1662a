import type { Redlock } from '../../../../src/index.ts';

export async function howLong(redlock: Redlock, resource: string): Promise<string> {
  const { processes, callers } = await redlock.waiting(resource);
  const [first] = processes;
  if (first === undefined) return `no process is in the queue, and ${callers} wait in this one`;
  return `${processes.length} wait, the first since ${new Date(first.since).toISOString()}`;
}
