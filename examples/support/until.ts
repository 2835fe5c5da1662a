import { setTimeout as sleep } from 'node:timers/promises';

const GIVE_UP_AFTER_MS = 20_000;

/** Asks again and again until the answer is not null. */
export async function soon<T>(ask: () => Promise<T | null>): Promise<T> {
  const deadline = performance.now() + GIVE_UP_AFTER_MS;
  while (performance.now() < deadline) {
    const answer = await ask();
    if (answer !== null) return answer;
    await sleep(20);
  }
  throw new Error(`no answer within ${GIVE_UP_AFTER_MS} ms`);
}
