import { URL } from 'node:url';
import { shorten } from '../base/describe.ts';

const QUERY_NAMES = ['db', 'family', 'username', 'password'];

/**
 * Checks the URL of a node, `nodes[0]` by name. The message repeats no part of the URL. Where a password was not
 * percent-encoded, a part of it stands as a path, a query or a fragment.
 *
 * @throws {TypeError} not a URL that the driver takes as it is meant
 */
export function checkNodeUrl(text: string, name: string): void {
  const must = `${name} must be a redis:// or rediss:// URL, as redis://host:port is`;
  if (text.trim() === '') throw new TypeError(`${must}: got an empty string`);
  if (/^\s*\/(?!\/)/.test(text)) throw new TypeError(`${must}; for a socket, hand in a client`);
  if (!hasScheme(text)) throw new TypeError(`${must}: got one without a scheme; put redis:// before it`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) {
    throw new TypeError(
      `${must}: got something that is no URL; in a user or password #, /, ? and @ must be percent-encoded, a port ` +
        'is 65535 at most, and an IPv6 address stands in [ ]',
    );
  }
  if (!isRedis(url.protocol)) throw new TypeError(`${must}: got a URL with ${shorten(url.protocol)}//`);
  // Without a host the driver would take localhost, or what follows the scheme, for one.
  if (url.hostname === '') {
    throw new TypeError(`${name} must name a host, as redis://host:port does: got a URL without one`);
  }
  if (!/^\/?\d*$/.test(url.pathname)) {
    throw new TypeError(
      `the path of ${name} must be the number of a database: got something else; in a user or password a / is %2F`,
    );
  }
  if (url.hash !== '') throw new TypeError(`${name} must have no #: in a user or password it is %23`);
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    throw new TypeError(`the user and password of ${name} must be percent-encoded: got a stray %`);
  }
  checkQuery(url, name);
}

function isRedis(protocol: string): boolean {
  return protocol === 'redis:' || protocol === 'rediss:';
}

/** Before a bare colon stands a host or a user as well, as in `localhost:6379`; before `://` stands a scheme. */
function hasScheme(text: string): boolean {
  const [, scheme = '', slashes = ''] = /^\s*([a-z][a-z\d+.-]*:)(\/\/)?/i.exec(text) ?? [];
  return slashes !== '' || isRedis(scheme.toLowerCase());
}

/** Drivers differ in what they take from a query: the library knows what it is to mean, and takes nothing else. */
function checkQuery(url: URL, name: string): void {
  for (const [parameter, value] of url.searchParams) {
    if (!QUERY_NAMES.includes(parameter)) {
      const names = QUERY_NAMES.join(', ');
      throw new TypeError(
        url.search.includes('@')
          ? `the query of ${name} may set ${names} and nothing else; in a user or password a ? is %3F`
          : `the query of ${name} must not set ${shorten(parameter)}: it may set ${names}`,
      );
    }
    let bound: string | undefined;
    if (parameter === 'db' && !/^\d+$/.test(value)) bound = 'the number of a database';
    if (parameter === 'family' && !/^[046]$/.test(value)) bound = '0, 4 or 6';
    if (bound === undefined) continue;
    throw new TypeError(`${parameter} in the query of ${name} must be ${bound}: got something else`);
  }
}
