/** The most characters of a value, a name or another program's message that a message repeats. */
const MOST_SHOWN = 100;

const MOST_LISTED = 5;

/** A value as an error message shows it: on one line, and never long. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'object' && value !== null) {
    const kind = kindOf(value);
    if (kind === 'Array') return 'an array';
    return kind === 'Object' ? 'an object' : `an object (${shorten(kind)})`;
  }
  if (typeof value === 'function') return 'a function';
  return shorten(typeof value === 'bigint' ? `${value}n` : String(value));
}

/** A value of a wrong type. A text may be the URL of a node with a password, and so is not repeated. */
export function describeKind(value: unknown): string {
  return typeof value === 'string' ? 'a string' : describe(value);
}

/** A text in quotation marks, with its line breaks escaped, so that it can't forge a line of a log. */
export function quote(whole: string): string {
  const text = withoutCredentials(whole);
  if (text.length <= MOST_SHOWN) return JSON.stringify(text);
  return `${JSON.stringify(beginning(text, MOST_SHOWN))}… (${text.length} characters)`;
}

/** The beginning of a text; all of it if it is not long. */
export function shorten(text: string, most = MOST_SHOWN): string {
  return text.length <= most ? text : `${beginning(text, most)}… (${text.length} characters)`;
}

/** Never ends in half of a character. */
function beginning(text: string, length: number): string {
  return text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '');
}

/** A text on one line: other programs' messages may have line breaks, and must not forge a line of a log. */
export function onOneLine(text: string): string {
  return text.replace(/[\p{Control}\u2028\u2029]+/gu, ' ').trim();
}

/** A span of time, for a person to read: `270 ms`, `2.7 s`. */
export function describeSpan(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** A number of things. */
export function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** Names in quotation marks, one after the other; only the first ones, if they are many. */
export function quoteAll(names: readonly string[]): string {
  return list(names.map(quote));
}

/** Items, one after the other; only the first ones, if they are many. */
export function list(items: readonly string[], most = MOST_LISTED, separator = ', '): string {
  if (items.length <= most) return items.join(separator);
  return `${items.slice(0, most).join(separator)} and ${items.length - most} more`;
}

/** `Object` for a plain object, of whatever class or realm; `Map` or `Promise` for one of these. */
export function kindOf(value: unknown): string {
  try {
    return onOneLine(Object.prototype.toString.call(value).slice('[object '.length, -1));
  } catch {
    return 'unreadable';
  }
}

/**
 * Reads what a program has given: a getter may throw, and so may all of a Proxy.
 *
 * @throws {TypeError} it does, and this is the name of what was read
 */
export function read<Result>(name: string, look: () => Result): Result {
  try {
    return look();
  } catch (error) {
    throw unreadable(name, error);
  }
}

export function unreadable(name: string, error: unknown): TypeError {
  return new TypeError(`${name} can't be read: ${onOneLine(shorten(messageOf(error)))}`);
}

/**
 * The message of anything that was thrown, in any realm: under Jest, Node's own errors are not instances of the
 * program's `Error`. An error that stands for several, as for the addresses of a host, and has no message itself gives
 * theirs. What can't be read is told by its kind.
 */
export function messageOf(error: unknown): string {
  if (typeof error === 'string') return withoutArguments(error);
  if (typeof error !== 'object' || error === null) return describe(error);
  try {
    const { message, code, errors } = error as { message?: unknown; code?: unknown; errors?: unknown };
    if (typeof message === 'string' && message !== '') return withoutArguments(message);
    if (Array.isArray(errors) && errors.length > 0) return list([...new Set(errors.map(messageOf))]);
    return typeof code === 'string' ? code : describe(error);
  } catch {
    return describe(error);
  }
}

/** Where an error of any realm was thrown. Not its message, which the stack repeats with all that {@link messageOf} leaves out. */
export function framesOf(error: unknown): string | undefined {
  try {
    return String(Object(error).stack)
      .match(/^ +at .*$/gm)
      ?.join('\n');
  } catch {
    return undefined;
  }
}

/** The user and password of a URL do not belong in a message, whatever its source. */
function withoutCredentials(text: string): string {
  if (!text.includes('@')) return text;
  const withoutOne = (word: string) => {
    const [begin, end] = [word.indexOf('://'), word.lastIndexOf('@')];
    return begin >= 0 && begin < end ? `${word.slice(0, begin)}://***${word.slice(end)}` : word;
  };
  return text.split(/(\s+)/).map(withoutOne).join('');
}

/** A server repeats the arguments of a command that it does not know: of AUTH or HELLO, the password. */
function withoutArguments(message: string): string {
  return withoutCredentials(message.replace(/,? with args beginning with:.*/s, ''));
}
