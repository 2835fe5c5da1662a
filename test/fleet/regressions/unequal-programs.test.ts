import { expect, it } from 'vitest';
import { Fleet } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { Redlock, type RedlockOptions } from '../../../src/index.ts';
import { nodeAt, PATIENT } from '../../support/deployment.ts';

const LONG = { ...PATIENT, maxTtl: 60_000 } as const satisfies RedlockOptions;
const SHORTEST = { ...PATIENT, maxTtl: 500, ttl: 500, nodeTimeout: 400 } as const satisfies RedlockOptions;

it('a joining marker is raised by a program with a longer maxTtl, and each client that watches it waits for that', async () => {
  await using fleet = await Fleet.start(1);
  const node = nodeAt(fleet, 0);
  await using short = new Redlock(fleet.urls, { ...SHORTEST, quarantine: 'strict' });
  await using long = new Redlock(fleet.urls, { ...LONG, quarantine: 'strict' });
  const marker = async () => String(await node.command('GET', 'quorlock:node'));
  const ask = (redlock: Redlock) => redlock.tryAcquire('r').catch(() => null);
  await ask(short);
  await eventually('it joins', async () => /^joining /.test(await marker()));

  await eventually('its marker tells of the longer one', async () => {
    await ask(long);
    return /^joining .* 1 60000$/.test(await marker());
  });

  // It would be active by now, if it had waited for its own ttls alone.
  const since = performance.now();
  await eventually(
    'the shorter quarantine is over',
    () => performance.now() - since > 500 * 1.01 + 2_100 + 1_000,
  );
  expect(await marker()).toMatch(/^joining .* 1 60000$/);
  expect(await ask(short)).toBeNull();
});
