import { read } from '../base/describe.ts';
import { assertPositiveInteger, assertResource } from './arguments.ts';
import { assertFencingToken, StaleTokenError } from './token.ts';
import type { TokenRegister } from './token-register.ts';

const DEFAULT_MAX_RESOURCES = 100_000;

export interface MemoryRegisterOptions {
  /**
   * How many resources are remembered one by one: 1 … 2^53 − 1, default 100 000. Beyond it the one
   * unused for longest is folded into a common floor, below which a token is refused for every
   * resource not remembered. That never lets a stale token through, but may refuse a lock that has
   * been held, unused here, since before that floor was registered.
   */
  readonly maxResources?: number;
}

/** A register in the memory of one process. */
export interface MemoryRegister extends TokenRegister {
  /**
   * Registers the token, then runs `work` while nothing else can be registered for this resource. A newer holder
   * waits until `work` has settled, and so reads what it wrote.
   *
   * `work` must end, and must not itself register this resource: it would wait for itself.
   *
   * @returns what `work` returned.
   * @throws StaleTokenError without running `work`; whatever `work` threw.
   */
  run<T>(resource: string, token: number, work: () => T | PromiseLike<T>): Promise<T>;
}

/**
 * A register for resources that live in *this process*, or that only this process writes. It forgets everything when
 * the process ends, and knows nothing of other processes. Where either matters, use the guard of the store that keeps
 * the data.
 *
 * @throws TypeError or RangeError for an option outside its bounds.
 */
export function memoryRegister(options: MemoryRegisterOptions = {}): MemoryRegister {
  const { maxResources = DEFAULT_MAX_RESOURCES } = read('options', () => ({
    maxResources: options.maxResources,
  }));
  assertPositiveInteger(maxResources, 'maxResources');

  // In order of use, so that the first is the one to fold away.
  const highest = new Map<string, number>();
  const lastInLine = new Map<string, Promise<void>>();
  let floor = 0;

  function remember(resource: string, token: number): void {
    const seen = highest.get(resource) ?? floor;
    if (token < seen) throw new StaleTokenError(resource, token, seen);
    highest.delete(resource);
    highest.set(resource, token);
    for (const [oldest, oldestToken] of highest) {
      if (highest.size <= maxResources) break;
      highest.delete(oldest);
      floor = Math.max(floor, oldestToken);
    }
  }

  async function run<T>(resource: string, token: number, work: () => T | PromiseLike<T>): Promise<T> {
    assertResource(resource);
    assertFencingToken(token);
    const before = lastInLine.get(resource);
    let end: () => void = ignore;
    const turn = new Promise<void>((resolve) => {
      end = resolve;
    });
    lastInLine.set(resource, turn);
    try {
      // The next in line waits for the end of this turn, and does not care how it ended.
      await before;
      remember(resource, token);
      return await work();
    } finally {
      end();
      if (lastInLine.get(resource) === turn) lastInLine.delete(resource);
    }
  }

  return { run, register: (resource, token) => run(resource, token, ignore) };
}

function ignore(): void {}
