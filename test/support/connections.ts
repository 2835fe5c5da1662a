import type { FleetNode } from '../../scripts/fleet/fleet.ts';

/** The names of the connections to a node, but for the one that asks. Redis 6 does not tell the subcommand of a command. */
export async function connectionsOf(node: FleetNode): Promise<readonly string[]> {
  const list = String(await node.command('CLIENT', 'LIST'));
  const names = [...list.matchAll(/ name=(\S*) .* cmd=(\S*)/g)];
  return names
    .filter(([, , command]) => !/^client(\|list)?$/.test(command ?? ''))
    .map(([, name = '']) => name);
}
