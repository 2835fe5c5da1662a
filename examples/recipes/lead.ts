import type { Election } from './leader.ts';

export async function leadOnce(election: Election, address: string, shard: (term: number) => Promise<void>) {
  const term = await election.campaign(address);
  try {
    while (!term.signal.aborted) await shard(term.number); // writes with that number
  } finally {
    await term.resign();
  }
}
