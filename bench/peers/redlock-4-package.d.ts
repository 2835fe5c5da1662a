// node-redlock 4 has no types of its own; this is as much of it as the adapter uses.
declare module 'redlock-4' {
  import type { Redis } from 'ioredis';

  interface Lock {
    unlock(): Promise<void>;
  }

  export default class Redlock {
    constructor(
      clients: readonly Redis[],
      options: { readonly retryCount?: number; readonly retryDelay?: number; readonly retryJitter?: number },
    );
    lock(resource: string, ttl: number): Promise<Lock>;
  }
}
