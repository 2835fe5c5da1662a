import type { Attempt } from '../../../src/lock/attempts.ts';
import type { Lock } from '../../../src/lock/lock.ts';
import type { ContendOptions } from '../../../src/quorum/round.ts';
import { VirtualClock } from '../../../src/testing/index.ts';
import type { AcquireRequest } from '../../../src/waiting/acquire-request.ts';

export const TTL = 10_000;

/** An attempt under way, and how a test ends it. */
interface Asked {
  readonly who: string;
  readonly contend: ContendOptions | undefined;
  end(attempt: Attempt): Promise<void>;
  crash(error: unknown): Promise<void>;
}

/** What has become of a call: its lock is `undefined` for as long as it waits. */
interface Caller {
  token?: number;
  error?: unknown;
  release?: () => unknown;
}

/** Callers whose attempts a test ends: it plays the nodes. */
export class WaitingStage {
  readonly clock = new VirtualClock();
  readonly asked: Asked[] = [];
  /** What else was asked for, in words. */
  readonly heard: string[] = [];

  protected requestOf(
    who: string,
    resources: readonly string[],
    rest: Partial<AcquireRequest>,
  ): AcquireRequest {
    const settled = () => this.clock.advance(0);
    return {
      ...{ resources, ttl: TTL, waitTime: 60_000, signal: undefined },
      ownHold: () => undefined,
      endsInOutage: () => false,
      attempt: (contend) =>
        new Promise((resolve, reject) => {
          this.asked.push({
            ...{ who, contend },
            end: (attempt) => {
              resolve(attempt);
              return settled();
            },
            crash: (error) => {
              reject(error);
              return settled();
            },
          });
        }),
      ...rest,
    };
  }

  protected callerOf(call: Promise<Lock>): Caller {
    const caller: Caller = {};
    call.then(
      (lock) => {
        caller.token = lock.token;
        caller.release = () => lock.release();
      },
      (error: unknown) => {
        caller.error = error;
      },
    );
    return caller;
  }

  /** The attempt that was begun last. */
  get last(): Asked {
    const last = this.asked.at(-1);
    if (last === undefined) throw new Error('no attempt was made');
    return last;
  }

  get whoAsked(): readonly string[] {
    return this.asked.map(({ who }) => who);
  }
}
