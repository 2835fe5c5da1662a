/** Resolves when all that waits for nothing but its turn has been done, what it leads to included. */
export function microtasksDone(): Promise<void> {
  return new Promise((resolve) => queueMicrotask(() => process.nextTick(resolve)));
}
