import type { Lock, Redlock } from '../../src/index.ts';

/** What a lock library may get wrong. The checkers have to find each, or they would see nothing elsewhere. */
export type Defect =
  /** Every caller is let in at once, with the same token. */
  | 'no lock'
  /** Tokens go down. */
  | 'tokens'
  /** A lock is given back as soon as it is granted, and goes on saying that it is held. */
  | 'early release'
  /** A semaphore has one permit more. */
  | 'permits'
  /** One wait in three never ends. */
  | 'never'
  /** One wait in three ends seconds after its time. */
  | 'late'
  /** A timer is left. */
  | 'timers'
  /** A key is left that never expires. */
  | 'keys';

/** What a defect needs of the world that it is in. */
export interface Means {
  after(ms: number, happen: () => void): void;
  /** Leaves a key on a node. */
  keep(key: string): void;
}

const EVERY = 3;
const LATE_MS = 5_000;
const LONG_MS = 1_000_000;

/** The same library with these defects. */
export function flawed(redlock: Redlock, defects: readonly Defect[], means: Means): Redlock {
  if (defects.length === 0) return redlock;
  const has = (defect: Defect) => defects.includes(defect);
  if (has('no lock')) return withoutLock(redlock);
  if (has('timers')) means.after(LONG_MS, () => undefined);
  if (has('keys')) means.keep('lock:of no caller');
  let calls = 0;
  const flaw = (lock: Lock): Lock => {
    if (has('early release')) {
      void lock.release();
      return instead(lock, {
        remainingValidity: () => lock.ttl,
        assertHeld: () => undefined,
        extend: async () => lock.ttl,
        release: async () => ({ freed: true }),
      });
    }
    return has('tokens') ? instead(lock, { token: Number.MAX_SAFE_INTEGER - lock.token }) : lock;
  };
  return instead(redlock, {
    acquire: async (...call: Parameters<Redlock['acquire']>) => {
      calls += 1;
      if (has('never') && calls % EVERY === 0) return new Promise(() => undefined);
      if (has('late') && calls % EVERY === 1) {
        const lateMs = (call[1]?.waitTime ?? 0) + LATE_MS;
        await new Promise<void>((resolve) => means.after(lateMs, resolve));
      }
      return flaw(await redlock.acquire(...call));
    },
    tryAcquire: async (...call: Parameters<Redlock['tryAcquire']>) => {
      const lock = await redlock.tryAcquire(...call);
      return lock === null ? null : flaw(lock);
    },
    semaphore: (resource: string, permits: number) =>
      redlock.semaphore(resource, has('permits') ? permits + 1 : permits),
  });
}

/** What happens without a lock: every caller may go at once. */
function withoutLock(redlock: Redlock): Redlock {
  const enter = async (resource: string | readonly string[]) =>
    ({
      resources: [resource].flat(),
      value: 'no lock',
      ttl: 1_000,
      token: 1,
      isShared: false,
      signal: new AbortController().signal,
      remainingValidity: () => 1_000,
      assertHeld: () => undefined,
      extend: async () => 1_000,
      release: async () => ({ freed: true, handedOver: false, votes: [] }),
    }) satisfies Partial<Record<keyof Lock, unknown>> as unknown as Lock;
  const of = (resource: string) => () => enter(resource);
  return instead(redlock, {
    acquire: enter,
    tryAcquire: enter,
    using: async (resource: string, _: unknown, routine: (lock: Lock) => Promise<void>) =>
      routine(await enter(resource)),
    readWrite: (resource: string) => ({ acquireRead: of(resource), acquireWrite: of(resource) }),
    semaphore: (resource: string) => ({ acquire: of(resource), tryAcquire: of(resource) }),
  });
}

/** An object that is as another one, but for some of its members. */
function instead<Whole extends object>(of: Whole, by: Partial<Record<keyof Whole, unknown>>): Whole {
  return new Proxy(of, {
    get: (target, name) => {
      if (Object.hasOwn(by, name)) return Reflect.get(by, name);
      // What is private to an object is not its proxy's.
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
