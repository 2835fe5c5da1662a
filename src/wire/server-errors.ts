/** A command that a server refused when it was tried out, and its error. */
export interface Lack {
  readonly command: string;
  readonly error: string;
}

const OLDEST_REDIS = [6, 2] as const;

/** The keys and channels of the library beside those of locks, as an ACL rule names them. */
const OWN_KEYS = '~quorlock:*';
const OWN_CHANNELS = '&quorlock:wake:*';

/** Errors about a server's present state, not about its abilities: at another moment the same command may work. */
const PASSING =
  /(^|-|: )(READONLY|NOREPLICAS|MISCONF|OOM|MASTERDOWN|LOADING|BUSY|CLUSTERDOWN|TRYAGAIN|WRONGTYPE)\b/;

const LOADING = /^-?LOADING\b/;
const REPLICA = /(^|-|: )(READONLY|MASTERDOWN)\b/;
const CLUSTER = /(^|-|: )(MOVED|ASK|CLUSTERDOWN|CROSSSLOT|TRYAGAIN)\b/;
// Redis ends a connection on which a longer command comes than one that has not given its password may send.
const PASSWORD = /^-?(NOAUTH|WRONGPASS)\b|unauthenticated (?:multi)?bulk length/;
const UNKNOWN = /unknown (?:redis )?command(?: called| [`']?([\w|]+))?/i;
const FORBIDDEN_COMMAND = /(?:NOPERM|ACL failure).*run the '([\w|]+)' command|can't run this command/i;
const FORBIDDEN_KEY = /permissions to access (?:a|one of the) key|can't access at least one of the keys/i;
const FORBIDDEN_CHANNEL =
  /permissions to access (?:a|one of the) channel|can't (?:publish to|access at least one of) the channel/i;
const FORBIDDEN = /NOPERM|ACL failure/;

/** Whether an error comes from the server, rather than the driver: it begins with a code in capitals. */
export function isServerError(message: string): boolean {
  return /^-?[A-Z][A-Z0-9]{2,} /.test(message);
}

export function isLoading(message: string): boolean {
  return LOADING.test(message);
}

/**
 * Whether this connection leads to a server that can't be a node: a replica, one that loads or of a Cluster, a wrong
 * password. A new one may lead to another.
 */
export function isWrongServer(message: string): boolean {
  return LOADING.test(message) || REPLICA.test(message) || CLUSTER.test(message) || PASSWORD.test(message);
}

/** The servers' errors that end when a program or a server is set up in another way, and not by themselves. */
const SETTING =
  /\b(NOAUTH|WRONGPASS|NOPERM)\b|unauthenticated (?:multi)?bulk length|DB index is out of range|refused to switch database/i;

/** Whether the reason why a node does not vote holds for as long as nothing is set up in another way. */
export function isOfSettings(why: string): boolean {
  return SETTING.test(why);
}

export function explain(message: string): string {
  const remedy = remedyOf(message);
  return remedy === undefined ? message : `${remedy} [${firstLine(message)}]`;
}

function remedyOf(message: string): string | undefined {
  if (LOADING.test(message)) return 'it is still loading its data, and is asked again until it has';
  if (REPLICA.test(message)) return 'it is a replica by now. Give the address of a master';
  if (CLUSTER.test(message)) return CLUSTER_SERVER;
  if (PASSWORD.test(message)) return 'it wants another user or password than it is given';
  const [, unknown] = UNKNOWN.exec(message) ?? [];
  if (unknown !== undefined) return notThere([unknown.toUpperCase()]);
  const [, forbidden] = FORBIDDEN_COMMAND.exec(message) ?? [];
  if (forbidden !== undefined) return mayNot(`run ${forbidden.toUpperCase()}`, [`+${forbidden}`]);
  if (FORBIDDEN_COMMAND.test(message)) {
    return 'its user may not run all commands that locks need any more: give it the permissions again that the documentation lists';
  }
  if (FORBIDDEN_KEY.test(message)) return mayNot('touch the keys of locks', ['~<keyPrefix>*', OWN_KEYS]);
  if (FORBIDDEN_CHANNEL.test(message)) return mayNot('use the channels of waiters', [OWN_CHANNELS]);
  return undefined;
}

/** Why a server that Redis calls `cluster` can't be a node by its own address. */
export const CLUSTER_SERVER =
  'it is a server of a Redis Cluster (cluster-enabled yes), which has some of the keys only. Give the address of a single ' +
  'master, or hand in a Cluster of ioredis';

/**
 * What a server of this version of Redis, if it says one, lacks of all that locks need, with a remedy. Undefined:
 * nothing.
 */
export function describeLacks(lacks: readonly Lack[], version: string): string | undefined {
  const lasting = lacks.filter(({ error }) => !PASSING.test(error));
  if (lasting.length === 0) return undefined;
  const parts: string[] = [];
  if (isTooOld(version)) {
    const failed = unique(lasting.map(({ command, error }) => `${command}: ${firstLine(error)}`));
    return `it is Redis ${version}. Use ${OLDEST_REDIS.join('.')} or newer, or Valkey [${failed.join('; ')}]`;
  }
  const unknown = lasting.filter(({ error }) => UNKNOWN.test(error));
  if (unknown.length > 0) parts.push(notThere(unique(unknown.map(({ command }) => command))));
  const forbidden = lasting.filter(({ error }) => isForbidden(error));
  if (forbidden.length > 0) parts.push(describeForbidden(forbidden));
  const others = lasting.filter(({ error }) => !UNKNOWN.test(error) && !isForbidden(error));
  const failed = unique(others.map(({ command, error }) => `${command} (${firstLine(error)})`)).join(', ');
  if (failed !== '')
    parts.push(`it fails to do ${failed}: use Redis ${OLDEST_REDIS.join('.')} or newer, or Valkey`);
  return parts.join('. ');
}

function describeForbidden(forbidden: readonly Lack[]): string {
  const commands = unique(forbidden.map(({ command }) => command));
  const rules = forbidden.flatMap(({ command, error }) => {
    if (FORBIDDEN_KEY.test(error)) return ['~<keyPrefix>*', OWN_KEYS];
    if (FORBIDDEN_CHANNEL.test(error)) return [OWN_CHANNELS];
    const usesChannel = command === 'PUBLISH' || command === 'SUBSCRIBE';
    return usesChannel ? [`+${command.toLowerCase()}`, OWN_CHANNELS] : [`+${command.toLowerCase()}`];
  });
  return mayNot(`run ${commands.join(', ')}`, unique(rules));
}

function isForbidden(error: string): boolean {
  return [FORBIDDEN, FORBIDDEN_COMMAND, FORBIDDEN_KEY, FORBIDDEN_CHANNEL].some((kind) => kind.test(error));
}

function notThere(commands: readonly string[]): string {
  return (
    `it does not know ${commands.join(', ')}: take back its rename-command, or use Redis ${OLDEST_REDIS.join('.')} or ` +
    'newer, or Valkey'
  );
}

function mayNot(what: string, rules: readonly string[]): string {
  return `its user may not ${what}: ACL SETUSER <user> ${rules.join(' ')}`;
}

function isTooOld(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  const [oldestMajor, oldestMinor] = OLDEST_REDIS;
  return Number(major) < oldestMajor || (Number(major) === oldestMajor && Number(minor) < oldestMinor);
}

function unique(items: readonly string[]): readonly string[] {
  return [...new Set(items)];
}

/** Servers repeat the arguments of unknown commands, and tell their place in a script. */
function firstLine(message: string): string {
  return message.replace(
    /(?:[\r\n]|, with args beginning with| script: (?:[0-9a-f]{40}|on @user_script)).*/s,
    '',
  );
}
