/** The end of one argument and the head of the next one, by the number of the next one's bytes. */
const heads: string[] = [];

/** Longer arguments have their heads made each time. */
const MOST_HEADS = 1_024;

function headOf(bytes: number): string {
  if (bytes >= MOST_HEADS) return `\r\n$${bytes}\r\n`;
  heads[bytes] ??= `\r\n$${bytes}\r\n`;
  return heads[bytes];
}

/** A call as it goes to a server. It is one string first: a string of many pieces would be copied piece by piece. */
export function encodeCall(
  command: 'evalsha' | 'eval',
  script: string,
  keys: readonly string[],
  args: readonly (string | number)[],
): Buffer {
  const text = join(command, script, keys, args, lengthOf);
  // Nearly all calls are ASCII: there are as many bytes as characters, and the shortest way to write them will do.
  if (Buffer.byteLength(text) === text.length) return Buffer.from(text, 'latin1');
  return Buffer.from(join(command, script, keys, args, Buffer.byteLength), 'utf8');
}

function lengthOf(text: string): number {
  return text.length;
}

function join(
  command: string,
  script: string,
  keys: readonly string[],
  args: readonly (string | number)[],
  bytesOf: (text: string) => number,
): string {
  const count = `${keys.length}`;
  const pieces = [
    `*${3 + keys.length + args.length}\r\n$${command.length}\r\n${command}`,
    headOf(bytesOf(script)),
    script,
    headOf(count.length),
    count,
  ];
  for (const key of keys) pieces.push(headOf(bytesOf(key)), key);
  for (const argument of args) {
    const text = typeof argument === 'number' ? `${argument}` : argument;
    pieces.push(headOf(bytesOf(text)), text);
  }
  pieces.push('\r\n');
  return pieces.join('');
}
