import type { Redlock } from 'quorlock';

export async function render(redlock: Redlock, pages: readonly string[]): Promise<number[]> {
  const printers = redlock.semaphore('printers', 3); // three at a time, in all programs together
  const print = (page: string) => printers.using({ ttl: 10_000, waitTime: 60_000 }, () => page.length);
  return await Promise.all(pages.map(print));
}
