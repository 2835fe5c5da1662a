import type { FromMember } from './team.ts';

/** Makes this process a member of a team: it does every task that it is sent, several at a time. */
export function serve<Task, Result>(work: (task: Task) => Promise<Result>): void {
  process.on('message', async ({ id, task }: { id: number; task: Task }) => {
    try {
      await tell({ id, result: await work(task) });
    } catch (error) {
      await tell({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  // The team has gone, however that came about.
  process.on('disconnect', () => process.exit());
  void say('ready');
}

/** Says a word to the team. Resolves when it is on its way. */
export function say(word: string): Promise<void> {
  return tell({ word });
}

function tell(message: FromMember): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, undefined, {}, () => resolve());
  });
}
