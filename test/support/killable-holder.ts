// A process that takes a lock and keeps it until it is killed; test/fleet/waiting.test.ts kills it.
import { Redlock } from '../../src/index.ts';

const [resource = '', ttl = '', ...urls] = process.argv.slice(2);
const redlock = new Redlock(urls, { nodeTimeout: 2_500, connectTimeout: 10_000 });
await redlock.using(resource, { ttl: Number(ttl) }, () => {
  process.send?.('held');
  return new Promise(() => setInterval(() => undefined, 60_000));
});
