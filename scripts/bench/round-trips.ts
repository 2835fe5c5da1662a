import { SystemClock } from '../../src/base/clock.ts';
import { Redlock } from '../../src/index.ts';
import { Fleet } from '../fleet/fleet.ts';
import { scriptCallsDuring } from '../fleet/server-calls.ts';
import { printTable } from './figures.ts';

const ACQUISITIONS = 2_000;
const MISSED = 500;

/** A wall clock that is set wrong; the library must not mind. */
class WrongClock extends SystemClock {
  readonly #offsetMs: number;

  constructor(offsetMs: number) {
    super();
    this.#offsetMs = offsetMs;
  }

  override wall(): number {
    return super.wall() + this.#offsetMs;
  }
}

/** How often a token needs a second round trip, without contention: counted on the servers. */
export async function roundTrips(): Promise<void> {
  const rows = [
    await measure('one client', [0], async () => {}),
    await measure(`one of five had missed ${MISSED} acquisitions`, [0], missSome),
    await measure('two clients in turns, their clocks 5 s apart', [0, 5_000], async () => {}),
  ];
  printTable(
    ['one resource, no other caller wants it', 'acquisitions', 'second round trips', 'one trip is enough'],
    rows,
  );
}

async function missSome(fleet: Fleet, redlock: Redlock): Promise<void> {
  const [node] = fleet.nodes;
  await node?.kill();
  for (let i = 0; i < MISSED; i += 1) await cycle(redlock);
  await node?.restartEmpty();
  // It votes again once its quarantine is over; until then it does not matter.
  for (;;) {
    const lock = await redlock.acquire('watch');
    const { votes } = await lock.release();
    if (votes.every(({ outcome }) => outcome === 'granted')) return;
  }
}

async function cycle(redlock: Redlock): Promise<void> {
  await (await redlock.acquire('resource')).release();
}

async function measure(
  name: string,
  wallOffsets: readonly number[],
  before: (fleet: Fleet, redlock: Redlock) => Promise<void>,
): Promise<(string | number)[]> {
  await using fleet = await Fleet.start(5);
  const clients = wallOffsets.map(
    (offsetMs) => new Redlock(fleet.urls, { ttl: 800, maxTtl: 1_000, clock: new WrongClock(offsetMs) }),
  );
  try {
    for (const client of clients) await cycle(client);
    for (const client of clients) await before(fleet, client);
    const calls = await scriptCallsDuring(fleet, async () => {
      for (let i = 0; i < ACQUISITIONS / clients.length; i += 1) {
        for (const client of clients) await cycle(client);
      }
    });
    // An acquire and a release are two calls a node. A second trip asks at least one node, so this is a bound.
    const secondTrips = calls.reduce((sum, count) => sum + Math.max(0, count - 2 * ACQUISITIONS), 0);
    const enough = 100 * (1 - secondTrips / ACQUISITIONS);
    return [name, ACQUISITIONS, `at most ${secondTrips}`, `${enough.toFixed(2)} %`];
  } finally {
    for (const client of clients) await client.close();
  }
}
