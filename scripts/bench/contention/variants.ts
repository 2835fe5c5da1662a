import { PEERS, type PeerName } from '../../../bench/peers/names.ts';
import type { PeerSettings } from '../../../bench/peers/peer.ts';

/** A library under certain settings. */
export interface Variant {
  readonly peer: PeerName;
  readonly settings: PeerSettings;
}

export const PEER_NAMES = Object.keys(PEERS) as readonly PeerName[];

export function variantsOf(peers: readonly PeerName[]): readonly Variant[] {
  return peers.flatMap((peer) => PEERS[peer].map((settings) => ({ peer, settings })));
}

export function isQuorlock({ peer }: Variant): boolean {
  return peer === 'quorlock';
}

/** In words, for tables. */
export function nameOf({ peer, settings }: Variant): string {
  return PEERS[peer].length === 1 ? peer : `${peer} ${settings}`;
}
