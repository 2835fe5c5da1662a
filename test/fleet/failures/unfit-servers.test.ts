import { readFileSync } from 'node:fs';
import { Logger } from '@valkey/valkey-glide';
import { beforeAll, describe, expect, it } from 'vitest';
import { FakeServer } from '../../../scripts/fleet/fake-server.ts';
import { Fleet, type FleetNode } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { RespError, type RespReply } from '../../../scripts/fleet/resp.ts';
import { NoQuorumError, Redlock, type RedlockOptions, type RedlockWarning } from '../../../src/index.ts';
import { DRIVER_NAMES } from '../../../src/wire/clients/drivers.ts';
import { markerScript } from '../../../src/wire/scripts.ts';
import { nodeAt, PATIENT, startDeployment, untilAllVote } from '../../support/deployment.ts';
import { isShort } from '../../support/tier.ts';

/** The reason and the message of the one node's failed vote. */
async function refusalOf(redlock: Redlock): Promise<string> {
  const error = await redlock.acquire('wanted', { waitTime: 0 }).then(
    (lock) => lock.release(),
    (reason: NoQuorumError) => reason,
  );
  const [vote] = error.votes;
  return vote?.outcome === 'failed' ? `${vote.reason}: ${vote.message}` : `${vote?.outcome}`;
}

async function refusalAt(url: string, options: RedlockOptions = {}): Promise<string> {
  await using redlock = new Redlock([url], { ...PATIENT, ...options });
  return await refusalOf(redlock);
}

/** The URL of a user with this password on a node. */
function asUser(url: string, user = 'app', password = 'secret'): string {
  return url.replace('redis://', `redis://${user}:${password}@`);
}

beforeAll(() => Logger.setLoggerConfig('off'));

describe('a server on which a command was renamed', () => {
  it.each(['TIME', 'EVAL', 'EVALSHA', 'SET', 'GET', 'DEL', 'PTTL', 'PEXPIRE', 'ZADD', 'ZPOPMIN', 'EXISTS'])(
    '%s is not a node, and its vote says which command',
    async (command) => {
      await using fleet = await Fleet.start(1, { directives: ['--rename-command', command, ''] });
      const refusal = await refusalAt(nodeAt(fleet, 0).url);
      expect(refusal).toContain(`error: it does not know ${command}: take back its rename-command`);
    },
  );
});

describe('a user who may not run all that locks need', () => {
  it.each([
    ['-info', 'run INFO: ACL SETUSER <user> +info'],
    ['-time', 'run TIME: ACL SETUSER <user> +time'],
    ['-evalsha', 'run EVALSHA: ACL SETUSER <user> +evalsha'],
    ['-eval', 'run EVAL: ACL SETUSER <user> +eval'],
    ['-set', 'run SET: ACL SETUSER <user> +set'],
    ['-pexpire', 'run PEXPIRE: ACL SETUSER <user> +pexpire'],
    ['-mget', 'run MGET: ACL SETUSER <user> +mget'],
    ['-zadd -zscore', 'run ZADD, ZSCORE: ACL SETUSER <user> +zadd +zscore'],
    ['resetkeys ~quorlock:*', 'touch the keys of locks: ACL SETUSER <user> ~<keyPrefix>* ~quorlock:*'],
    ['resetkeys ~lock:*', 'touch the keys of locks: ACL SETUSER <user> ~<keyPrefix>* ~quorlock:*'],
  ])('(%s) is told the rule that allows it, and can lock once it is given', async (rules, mend) => {
    await using fleet = await Fleet.start(1);
    const node = nodeAt(fleet, 0);
    const allowed = ['~*', '&*', '+@all'];
    await node.command('ACL', 'SETUSER', 'app', 'on', '>secret', ...allowed, ...rules.split(' '));
    await using redlock = new Redlock([asUser(node.url)], PATIENT);

    const refusal = await refusalOf(redlock);
    expect(refusal).toMatch(/^error: its user may not /);
    expect(refusal).toContain(mend);

    await node.command('ACL', 'SETUSER', 'app', ...allowed);
    await eventually('it votes', async () => (await redlock.inspect('wanted')).state === 'free');
  });

  it('needs no other rules than those that docs/servers.md lists', async () => {
    const [, rules = ''] = /^(~lock:\* .*)$/m.exec(readFileSync('docs/servers.md', 'utf8')) ?? [];
    expect(rules).toContain('+evalsha');
    await using fleet = await Fleet.start(1);
    const node = nodeAt(fleet, 0);
    await node.command('ACL', 'SETUSER', 'app', 'on', '>secret', ...rules.split(' '));
    const warnings: RedlockWarning[] = [];
    const onWarning = (warning: RedlockWarning) => void warnings.push(warning);
    await using redlock = new Redlock([asUser(node.url)], { ...PATIENT, onWarning });
    const held = await redlock.acquire('wanted');
    const next = redlock.acquire('wanted');
    await held.release();
    await (await next).release();
    expect(warnings).toEqual([]);
  });

  it.each([
    ['-publish', 'run PUBLISH: ACL SETUSER <user> +publish &quorlock:wake:*'],
    ['-subscribe', 'run SUBSCRIBE: ACL SETUSER <user> +subscribe &quorlock:wake:*'],
    ['resetchannels', 'ACL SETUSER <user> &quorlock:wake:* +subscribe'],
  ])('(%s) has locks all the same, waits for them slowly, and is told the rule', async (rules, mend) => {
    await using fleet = await Fleet.start(1);
    const node = nodeAt(fleet, 0);
    const all = ['on', '>secret', '~*', '&*', '+@all'];
    await node.command('ACL', 'SETUSER', 'app', ...all, ...rules.split(' '));
    const warnings: RedlockWarning[] = [];
    const onWarning = (warning: RedlockWarning) => void warnings.push(warning);
    await using redlock = new Redlock([asUser(node.url)], { ...PATIENT, nodeTimeout: 2_500, onWarning });
    const held = await redlock.acquire('wanted', { ttl: 3_000 });
    await held.release();
    await (await redlock.acquire('wanted')).release();
    expect(warnings.map(({ code }) => code)).toEqual(['QUORLOCK_SLOW_WAITING']);
    expect(warnings[0]?.message).toContain(mend);
  });

  it('is told so by an operation that comes too late to be tried out', async () => {
    await using fleet = await Fleet.start(1);
    const node = nodeAt(fleet, 0);
    await node.command('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all');
    await using redlock = new Redlock([asUser(node.url)], PATIENT);
    await (await redlock.acquire('wanted')).release();
    await node.command('ACL', 'SETUSER', 'app', 'resetkeys', '~lock:*');
    expect(await refusalOf(redlock)).toContain('error: its user may not touch the keys of locks');
  });

  it.each(['set', 'info', 'pttl'])(
    'is told so where a script hears of it, which does not name %s',
    async (command) => {
      await using fleet = await Fleet.start(1);
      const node = nodeAt(fleet, 0);
      await node.command('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all');
      await using redlock = new Redlock([asUser(node.url)], PATIENT);
      await (await redlock.acquire('wanted')).release();
      await node.command('ACL', 'SETUSER', 'app', `-${command}`);
      const refusal = await refusalOf(redlock);
      // Valkey names it.
      const named = `${command.toUpperCase()}: ACL SETUSER <user> \\+${command}`;
      expect(refusal).toMatch(
        new RegExp(`error: its user may not run (all commands that locks need any more|${named})`),
      );
      expect(refusal).not.toMatch(/script: [0-9a-f]{40}/);
    },
  );
});

describe('a server that wants a password', () => {
  it.each([
    ['none', (url: string) => url, 'NOAUTH'],
    ['a wrong one', (url: string) => asUser(url, '', 'wrong'), 'WRONGPASS'],
  ])('and gets %s has answered: it is not disconnected', async (_, urlOf, code) => {
    await using fleet = await Fleet.start(1);
    const node = nodeAt(fleet, 0);
    await node.command('CONFIG', 'SET', 'requirepass', 'right');
    const refusal = await refusalAt(urlOf(node.url), { connectTimeout: 1_000 });
    expect(refusal).toMatch(/^error: /);
    expect(refusal).toContain(code);
  });
});

describe('a majority that will not vote until something is set up in another way', () => {
  /** Makes what is needed on a node, and returns the URL that a program has for it by mistake. */
  type Mistake = (node: FleetNode) => Promise<string>;

  const mistakes: Readonly<Record<string, readonly [mistake: Mistake, why: RegExp]>> = {
    'gets no password': [
      async (node) => {
        await node.command('CONFIG', 'SET', 'requirepass', 'right');
        return node.url;
      },
      /NOAUTH|unauthenticated/,
    ],
    'gets a wrong password': [
      async (node) => {
        await node.command('CONFIG', 'SET', 'requirepass', 'right');
        return asUser(node.url, '', 'wrong');
      },
      /WRONGPASS|unauthenticated/,
    ],
    'knows a user who may do too little': [
      async (node) => {
        await node.command('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all', '-set');
        return asUser(node.url);
      },
      /its user may not run SET/,
    ],
    'has no such database': [
      async (node) => `${node.url}/99`,
      /DB index is out of range|refused to switch database/,
    ],
  };

  /** All mistakes by every driver; in `npm test` all by the first one, and one by the others. */
  const cases = Object.entries(mistakes).flatMap(([name, [mistake, why]], index) =>
    (isShort && index > 0 ? DRIVER_NAMES.slice(0, 1) : DRIVER_NAMES).map(
      (driver) => [name, driver, mistake, why] as const,
    ),
  );

  it.each(cases)(
    '(it %s, %s) is told of at once, though the caller waits for ever',
    async (_, driver, mistake, why) => {
      await using fleet = await Fleet.start(3);
      const [first, ...others] = fleet.nodes;
      const urls = [first?.url ?? '', ...(await Promise.all(others.map(mistake)))];
      await using redlock = new Redlock(urls, { ...PATIENT, driver });
      const call = redlock.acquire('wanted', { waitTime: Number.POSITIVE_INFINITY });
      await expect(call).rejects.toThrow(why);
      await expect(call).rejects.toBeInstanceOf(NoQuorumError);
    },
  );

  it.each(cases)(
    '(one node that %s, %s) is warned of where it is a minority',
    async (_, driver, mistake, why) => {
      await using fleet = await startDeployment(3);
      const [first, ...others] = fleet.nodes;
      const urls = [first === undefined ? '' : await mistake(first), ...others.map(({ url }) => url)];
      const warnings: RedlockWarning[] = [];
      const onWarning = (warning: RedlockWarning) => void warnings.push(warning);
      await using redlock = new Redlock(urls, { ...PATIENT, driver, onWarning });
      const about = new RegExp(`:${first?.port} is (refused|down): .*(${why.source})`);
      const told = () => `it is warned of: ${JSON.stringify(warnings)}`;
      await eventually(told, async () => {
        await (await redlock.acquire('wanted')).release();
        return warnings.some(({ message }) => about.test(message));
      });
      for (const { message } of warnings) expect(message).not.toMatch(/:wrong\b|secret/);
    },
  );

  it('since rights were taken away while it ran is told of at once, too', async () => {
    await using fleet = await Fleet.start(3);
    for (const node of fleet.nodes)
      await node.command('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all');
    await using redlock = new Redlock(
      fleet.nodes.map(({ url }) => asUser(url)),
      PATIENT,
    );
    await untilAllVote(redlock);
    for (const node of fleet.nodes.slice(1))
      await node.command('ACL', 'SETUSER', 'app', 'resetkeys', '~other:*');
    const call = redlock.acquire('wanted', { waitTime: Number.POSITIVE_INFINITY });
    await expect(call).rejects.toThrow('NOPERM');
  });

  it('because it belongs to a longer list is warned of and waited for: the list may be being changed', async () => {
    await using fleet = await startDeployment(3);
    const warnings: RedlockWarning[] = [];
    const onWarning = (warning: RedlockWarning) => void warnings.push(warning);
    await using redlock = new Redlock(fleet.urls.slice(0, 1), { ...PATIENT, onWarning });
    const call = redlock.acquire('wanted', { waitTime: Number.POSITIVE_INFINITY });
    await eventually('it is warned of', () => warnings.length > 0);
    expect(warnings[0]).toMatchObject({
      code: 'QUORLOCK_NODE_REFUSED',
      message: expect.stringContaining('it is one of a quorum of 3, and here are 1'),
    });
    await redlock.initialize();
    await (await call).release();
  });
});

describe('a server of a Redis Cluster, by its URL', () => {
  it('is not taken for a master of its own', async () => {
    await using fleet = await Fleet.start(1, { cluster: true });
    const refusal = await refusalAt(nodeAt(fleet, 0).url);
    expect(refusal).toContain('error: it is a server of a Redis Cluster');
    expect(refusal).toContain('hand in a Cluster of ioredis');
  });

  it('nor is one that has no slots yet', async () => {
    await using fleet = await Fleet.start(1, { directives: ['--cluster-enabled', 'yes'] });
    expect(await refusalAt(nodeAt(fleet, 0).url)).toContain('error: it is a server of a Redis Cluster');
  });
});

const nowUs = () => Date.now() * 1_000;

/** What the marker script answers on a server like this one. */
function lookOf({ runId = 'abc', marker = '', version = '7.0.15', lacks = [] as RespReply[] }): RespReply {
  return [nowUs(), runId, 'master', marker, 0, '0', 'noeviction', 'standalone', version, lacks];
}

/** Whether a script is the one that looks at a server. */
const isLook = ([sha1]: readonly string[]) => sha1 === markerScript.sha1;

/** What the batch script answers where all of one operation is done: its time only if the call says until when that counts. */
function grantOf([, keys, ...rest]: readonly string[]): RespReply {
  // The deadline is the second argument.
  const isTimed = rest[Number(keys) + 1] !== '';
  return [isTimed ? nowUs() : 0, 1];
}

describe('Redis before 6.2', () => {
  it('is told the version that is needed', async () => {
    const lacks = ['SET', 'ERR syntax error'];
    await using server = await FakeServer.start(() => lookOf({ version: '5.0.6', lacks }));
    const refusal = await refusalAt(server.url);
    expect(refusal).toBe('error: it is Redis 5.0.6. Use 6.2 or newer, or Valkey [SET: ERR syntax error]');
  });
});

describe('a server that answers something else than the script', () => {
  it.each<[string, RespReply]>([
    ['a text', 'QUEUED'],
    ['nothing', null],
    ['fewer fields', ['1', '2']],
    ['a time that is none', ['soon', 'abc', 'master', '', 0, '0', 'noeviction', 'standalone', []]],
  ])('(%s) has been reached, and says so until it does', async (_, junk) => {
    let isJunk = true;
    await using server = await FakeServer.start((_command, args) => {
      if (isJunk) return junk;
      return isLook(args) ? lookOf({}) : grantOf(args);
    });
    await using redlock = new Redlock([server.url], { ...PATIENT, quarantine: 'off' });
    expect(await refusalOf(redlock)).toMatch(/^error: an answer that is none of the script's/);
    isJunk = false;
    await eventually('it votes', async () => (await refusalOf(redlock)) === 'granted');
  });
});

describe('a server that loads its data', () => {
  const LOADING = new RespError('LOADING Redis is loading the dataset in memory');

  it('is waited for by the first call', async () => {
    let asked = 0;
    await using server = await FakeServer.start((_, args) => {
      asked += 1;
      if (asked <= 3) throw LOADING;
      return isLook(args) ? lookOf({}) : grantOf(args);
    });
    await using redlock = new Redlock([server.url], { ...PATIENT, quarantine: 'off' });
    await (await redlock.acquire('wanted')).release();
  });

  it('votes once it has, however long that takes', async () => {
    let isLoading = true;
    await using server = await FakeServer.start((_, args) => {
      if (isLoading) throw LOADING;
      return isLook(args) ? lookOf({}) : grantOf(args);
    });
    const options = { ...PATIENT, connectTimeout: 300, quarantine: 'off' } as const;
    await using redlock = new Redlock([server.url], options);
    expect(await refusalOf(redlock)).toContain('error: it is still loading its data');
    isLoading = false;
    await eventually('it votes', async () => (await refusalOf(redlock)) === 'granted');
  });

  it('in the middle of a call is waited for within waitTime', async () => {
    let isLoading = false;
    await using server = await FakeServer.start((_, args) => {
      if (isLoading) throw LOADING;
      return isLook(args) ? lookOf({}) : grantOf(args);
    });
    await using redlock = new Redlock([server.url], { ...PATIENT, quarantine: 'off' });
    await (await redlock.acquire('before')).release();
    isLoading = true;
    const acquiring = redlock.acquire('waited for', { waitTime: 30_000 });
    await eventually('it says that it loads', async () => (await refusalOf(redlock)).includes('loading'));
    isLoading = false;
    await (await acquiring).release();
  });
});

describe('a server that does not tell its run_id', () => {
  const nameless = () =>
    FakeServer.start((_, args) => (isLook(args) ? lookOf({ runId: '' }) : grantOf(args)));

  it('can not be quarantined, and so does not vote', async () => {
    await using server = await nameless();
    const warnings: RedlockWarning[] = [];
    const onWarning = (warning: RedlockWarning) => void warnings.push(warning);
    await using redlock = new Redlock([server.url], { ...PATIENT, onWarning });
    const refusal = await refusalOf(redlock);
    expect(refusal).toContain('error: it does not tell its run_id');
    expect(refusal).toContain("quarantine: 'off'");
    await expect(redlock.initialize()).rejects.toThrow('it does not tell its run_id');
    expect(warnings.map(({ code }) => code)).toEqual(['QUORLOCK_NO_RUN_ID']);
  });

  it('votes without quarantine, several of them too; that is said once', async () => {
    await using first = await nameless();
    await using second = await nameless();
    await using third = await nameless();
    const warnings: RedlockWarning[] = [];
    const onWarning = (warning: RedlockWarning) => void warnings.push(warning);
    const urls = [first.url, second.url, third.url];
    await using redlock = new Redlock(urls, { ...PATIENT, quarantine: 'off', onWarning });
    for (let times = 0; times < 3; times += 1) await (await redlock.acquire('wanted')).release();
    expect(warnings.map(({ code }) => code)).toEqual(['QUORLOCK_NO_RUN_ID']);
  });

  it('because INFO is forbidden votes without quarantine as well', async () => {
    await using fleet = await Fleet.start(1);
    const node = nodeAt(fleet, 0);
    await node.command('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all', '-info');
    const options = { ...PATIENT, quarantine: 'off' } as const;
    await using redlock = new Redlock([asUser(node.url)], options);
    await (await redlock.acquire('wanted')).release();
  });
});
