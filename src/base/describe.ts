/** A value as an error message shows it. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'object' && value !== null) {
    const kind = kindOf(value);
    if (kind === 'Array') return 'an array';
    return kind === 'Object' ? 'an object' : `an object (${kind})`;
  }
  return typeof value === 'function' ? 'a function' : String(value);
}

/** `Object` for an object that is nothing else, of whatever class or realm; `Map` or `Promise` for one that is that. */
export function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
