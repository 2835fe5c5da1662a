import type { ContainerRuntimeClient } from 'testcontainers';

/** A container engine that answers, and the library that speaks with it. */
export interface Engine {
  readonly testcontainers: typeof import('testcontainers');
  readonly client: ContainerRuntimeClient;
}

/** What containers need is missing on this machine; the message says what. */
export class NoContainersError extends Error {
  override readonly name = 'NoContainersError';
}

/** @throws {NoContainersError} no engine answers */
export async function findEngine(): Promise<Engine> {
  // What would clear up after a crash is a container too, of an image that is in a registry. Read when it is loaded.
  Object.assign(process.env, { TESTCONTAINERS_RYUK_DISABLED: 'true' });
  const testcontainers = await import('testcontainers');
  try {
    return { testcontainers, client: await testcontainers.getContainerRuntimeClient() };
  } catch (error) {
    throw new NoContainersError('no container engine answers: start one, for example dockerd', {
      cause: error,
    });
  }
}
