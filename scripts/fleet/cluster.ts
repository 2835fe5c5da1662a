import { sendCommand } from './resp.ts';

const SLOT_COUNT = 16_384;
const COMMAND_TIMEOUT_MS = 5_000;

export const CLUSTER_ARGS: readonly string[] = [
  '--cluster-enabled',
  'yes',
  '--cluster-config-file',
  'cluster-nodes.conf',
  // A node that has never met another does not know its own address, and clients ask it for one.
  '--cluster-announce-ip',
  '127.0.0.1',
];

/**
 * Gives one server all slots, unless it still has them from an earlier run, and says whether it serves them
 * yet: for about two seconds after its start, a Redis Cluster master refuses to.
 */
export async function formSingleMasterCluster(port: number): Promise<boolean> {
  const info = String(await sendCommand(port, ['CLUSTER', 'INFO'], COMMAND_TIMEOUT_MS));
  if (info.includes(`cluster_slots_assigned:${SLOT_COUNT}\r\n`)) return info.includes('cluster_state:ok\r\n');
  const slots = Array.from({ length: SLOT_COUNT }, (_, slot) => slot);
  await sendCommand(port, ['CLUSTER', 'ADDSLOTS', ...slots], COMMAND_TIMEOUT_MS);
  return false;
}
