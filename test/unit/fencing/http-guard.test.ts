import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTick } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import {
  checkFencingToken,
  FencingHeaderError,
  fencingHeaders,
  fencingStatus,
  memoryRegister,
  readFencingToken,
  StaleTokenError,
} from '../../../src/fencing/index.ts';
import { BAD_TOKENS } from './holders.ts';

describe('fencingHeaders', () => {
  it('writes every digit of the token', () => {
    expect(fencingHeaders({ token: 2 ** 53 - 1 })).toEqual({ 'Fencing-Token': '9007199254740991' });
  });

  it.each(BAD_TOKENS)('refuses %o as a token', (token, kind) => {
    expect(() => fencingHeaders({ token: token as number })).toThrow(kind);
    expect(() => fencingHeaders({ token: token as number })).toThrow(/^lock\.token must be/);
  });
});

describe('readFencingToken', () => {
  it.each([
    ['a Headers', new Headers({ 'fencing-token': '12' })],
    ['the headers of node:http', { 'fencing-token': '12' } satisfies IncomingHttpHeaders],
    ['a plain object as it was written', { 'Fencing-Token': '12' }],
    ['one with a header called get', { get: 'x', 'fencing-token': '12' }],
    ['a list of one', { 'FENCING-TOKEN': ['12'] }],
    ['what fencingHeaders gave', fencingHeaders({ token: 12 })],
  ])('finds it in %s', (_name, headers) => {
    expect(readFencingToken(headers)).toBe(12);
  });

  it.each([
    ['a Headers', new Headers({ 'if-match': '12' })],
    ['an object', { 'if-match': '12' }],
    ['an undefined header', { 'fencing-token': undefined }],
    ['an empty list', { 'fencing-token': [] }],
  ])('says that it is missing in %s', (_name, headers) => {
    const attempt = () => readFencingToken(headers);
    expect(attempt).toThrow(FencingHeaderError);
    expect(attempt).toThrow(expect.objectContaining({ code: 'QUORLOCK_TOKEN_MISSING' }));
  });

  it.each([
    '',
    '0',
    '-1',
    '+1',
    '1.5',
    '1e3',
    '0x1f',
    '012',
    ' 12',
    '12, 12',
    '12n',
    'NaN',
    '"12"',
    '١٢',
    '9007199254740992',
    '9'.repeat(10_000),
  ])('says that %j is malformed', (value) => {
    const attempt = () => readFencingToken({ 'fencing-token': value });
    expect(attempt).toThrow(expect.objectContaining({ code: 'QUORLOCK_TOKEN_MALFORMED' }));
    expect(attempt).toThrow(
      /^the Fencing-Token header must be one integer from 1 to 9007199254740991 .{0,200}$/,
    );
  });

  it.each([{ 'fencing-token': ['12', '12'] }, { 'fencing-token': '12', 'Fencing-Token': '13' }])(
    'takes no side when it comes twice: %j',
    (headers) => {
      expect(() => readFencingToken(headers)).toThrow(
        expect.objectContaining({ code: 'QUORLOCK_TOKEN_MALFORMED' }),
      );
    },
  );
});

describe('fencingStatus', () => {
  it.each([
    [412, new StaleTokenError('a', 1, 2)],
    [428, new FencingHeaderError('QUORLOCK_TOKEN_MISSING', 'none')],
    [400, new FencingHeaderError('QUORLOCK_TOKEN_MALFORMED', 'odd')],
    [412, Object.assign(new Error('from another copy'), { code: 'QUORLOCK_STALE_TOKEN' })],
    [undefined, Object.assign(new Error('lost'), { code: 'ECONNRESET' })],
    [undefined, new Error('plain')],
    [undefined, { code: 'QUORLOCK_STALE_TOKEN' }],
    [undefined, undefined],
  ])('is %o for %o', (status, error) => {
    expect(fencingStatus(error)).toBe(status);
  });
});

describe('a server of node:http', () => {
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const cleanup of cleanups.splice(0)) cleanup();
  });

  /** Keeps one document per path. `guarded: false` is the same server without the guard. */
  async function serve({ guarded }: { guarded: boolean }): Promise<string> {
    const register = memoryRegister();
    const documents = new Map<string, string>();
    const server = createServer(async (incoming, response) => {
      const path = incoming.url ?? '/';
      try {
        const body = await text(incoming);
        const work = async () => {
          await nextTick();
          if (incoming.method === 'PUT') documents.set(path, body);
          return documents.get(path) ?? '';
        };
        const answer = guarded
          ? await register.run(path, readFencingToken(incoming.headers), work)
          : await work();
        response.end(answer);
      } catch (error) {
        response.writeHead(fencingStatus(error) ?? 500).end(error instanceof Error ? error.message : '');
      }
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    cleanups.push(() => server.close().closeAllConnections());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const send = (url: string, token: number, body?: string) =>
    fetch(url, {
      method: body === undefined ? 'GET' : 'PUT',
      headers: fencingHeaders({ token }),
      ...(body === undefined ? {} : { body }),
    });

  it('answers 412 to a paused holder, and the newer one loses nothing', async () => {
    const url = `${await serve({ guarded: true })}/stock`;
    const seenBy10 = await (await send(url, 10)).text();
    const seenBy11 = await (await send(url, 11)).text();
    const late = await send(url, 10, `${seenBy10}[10]`);
    expect(late.status).toBe(412);
    expect(await late.text()).toContain('fencing token 10 is stale: "/stock" has seen token 11');
    expect((await send(url, 11, `${seenBy11}[11]`)).status).toBe(200);
    expect((await send(url, 11, `${seenBy11}[11][11]`)).status).toBe(200);
    expect(await (await send(url, 11)).text()).toBe('[11][11]');
  });

  it('without the guard takes the late write, and then loses it', async () => {
    const url = `${await serve({ guarded: false })}/stock`;
    const seenBy10 = await (await send(url, 10)).text();
    const seenBy11 = await (await send(url, 11)).text();
    expect((await send(url, 10, `${seenBy10}[10]`)).status).toBe(200);
    await send(url, 11, `${seenBy11}[11]`);
    expect(await (await send(url, 11)).text()).not.toContain('[10]');
  });

  it('answers 428 without a token, 400 to a malformed one and 400 to two', async () => {
    const url = await serve({ guarded: true });
    expect((await fetch(url)).status).toBe(428);
    expect((await fetch(url, { headers: { 'Fencing-Token': 'twelve' } })).status).toBe(400);
    const status = await new Promise((resolve, reject) => {
      // As two header lines, which fetch would not send.
      const raw = request(url, { headers: { 'Fencing-Token': ['12', '12'] } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      raw.on('error', reject).end();
    });
    expect(status).toBe(400);
  });
});

describe('checkFencingToken', () => {
  it('registers the token and returns it, and refuses a lower one from then on', async () => {
    const register = memoryRegister();
    await expect(checkFencingToken({ 'fencing-token': '11' }, 'a', register)).resolves.toBe(11);
    await expect(checkFencingToken(new Headers({ 'Fencing-Token': '11' }), 'a', register)).resolves.toBe(11);
    await expect(checkFencingToken({ 'fencing-token': '10' }, 'a', register)).rejects.toMatchObject({
      code: 'QUORLOCK_STALE_TOKEN',
      resource: 'a',
      highest: 11,
    });
  });

  it('rejects for bad headers and registers nothing', async () => {
    const register = memoryRegister();
    await expect(checkFencingToken({}, 'a', register)).rejects.toThrow(FencingHeaderError);
    await register.register('a', 1);
  });
});
