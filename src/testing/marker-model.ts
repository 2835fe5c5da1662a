import type { BatchServer } from './call-model.ts';
import type { Argument } from './key-store.ts';
import type { ScriptReply } from './lua-values.ts';

/** The server, as the marker script sees it. */
export interface MarkerServer extends BatchServer {
  readonly role: 'master' | 'slave';
  readonly maxmemory: number;
  readonly maxmemoryPolicy: string;
  readonly version: string;
}

/**
 * The marker script, `wire/lua/marker.lua`, in TypeScript. The conformance suite holds the two equal. A simulated
 * server lacks nothing.
 */
export function runMarker(
  server: MarkerServer,
  [key = '']: readonly string[],
  [next = '', seenRunId, seenMarker, deadline]: readonly Argument[],
): readonly ScriptReply[] {
  const { store, runId, timeUs } = server;
  const type = store.typeOf(key);
  let marker = type === 'string' || type === 'none' ? (store.get(key) ?? '') : 'not a string';
  let written = 0;
  if (next !== '' && runId === seenRunId && marker === seenMarker && timeUs <= Number(deadline)) {
    marker = String(next);
    store.set(key, marker);
    written = 1;
  }
  return [
    ...[timeUs, runId, server.role, marker, written],
    ...[String(server.maxmemory), server.maxmemoryPolicy, 'standalone', server.version, []],
  ];
}
