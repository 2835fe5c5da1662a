import { list, messageOf } from '../../base/describe.ts';
import type { Client } from '../client.ts';
import { type Connect, type Driver, DriverError, type DriverName, hostAndPort, serverAt } from './driver.ts';
import { ioredis, iovalkey } from './ioredis.ts';
import { LazyClient } from './lazy-client.ts';
import { nodeRedis } from './node-redis.ts';
import { valkeyGlide } from './valkey-glide.ts';

/** The drivers, in the order in which they are asked whether a client is theirs, and tried for a URL. */
const DRIVERS: readonly Driver[] = [ioredis, nodeRedis, iovalkey, valkeyGlide];

export const DRIVER_NAMES: readonly DriverName[] = DRIVERS.map(({ name }) => name);

/** The driver whose client something is; undefined if it is none's. */
export function driverOf(candidate: unknown): Driver | undefined {
  return DRIVERS.find(({ is }) => is(candidate));
}

/** What something of a driver is that can't be a node, and what can; undefined: no driver knows it. */
export function refusalOf(candidate: object): string | undefined {
  for (const { refusal } of DRIVERS) {
    const why = refusal?.(candidate);
    if (why !== undefined) return why;
  }
  return undefined;
}

/** Connects to the server of a URL with this driver, or the first one that is installed, once that is loaded. */
export function connectByUrl(url: URL, name: DriverName | undefined): Client {
  const server = serverAt(url);
  const loading = load(name).then((connect) => () => {
    try {
      return connect(server);
    } catch {
      // The driver's error may tell the password.
      throw new Error('its driver refused it');
    }
  });
  return new LazyClient(hostAndPort(server.host, server.port), loading);
}

/** Why a URL leads nowhere where no driver is installed. */
export const NO_DRIVER =
  'a URL needs a driver, and none is installed: npm install ioredis, or npm install redis';

async function load(name: DriverName | undefined): Promise<Connect> {
  const faults: string[] = [];
  for (const driver of DRIVERS) {
    if (name !== undefined && driver.name !== name) continue;
    try {
      return await driver.load();
    } catch (error) {
      if (!(error instanceof DriverError && error.isMissing)) faults.push(messageOf(error));
    }
  }
  if (faults.length > 0) throw new Error(list(faults, undefined, '; '));
  throw new Error(
    name === undefined
      ? NO_DRIVER
      : `the option driver is ${name}, which is not installed: npm install ${name}`,
  );
}
