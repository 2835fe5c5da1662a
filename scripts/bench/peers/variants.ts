import { CONTENDERS, type PeerName, WORKERS } from '../../../bench/peers/names.ts';
import type { PeerSettings } from '../../../bench/peers/peer.ts';
import type { Group } from './cases.ts';

/** A library under certain settings. */
export interface Variant {
  readonly peer: PeerName;
  readonly settings: PeerSettings;
}

const SETTINGS: Readonly<Record<Group, Partial<Readonly<Record<PeerName, readonly PeerSettings[]>>>>> = {
  contention: CONTENDERS,
  throughput: WORKERS,
};

export function peerNamesOf(group: Group): readonly PeerName[] {
  return Object.keys(SETTINGS[group]) as PeerName[];
}

export function variantsOf(group: Group, peers: readonly PeerName[]): readonly Variant[] {
  return peers.flatMap((peer) => (SETTINGS[group][peer] ?? []).map((settings) => ({ peer, settings })));
}

/** quorlock as it is shipped: what has goals to reach. */
export function isQuorlock({ peer, settings }: Variant): boolean {
  return peer === 'quorlock' && settings === 'shipped';
}

/** Another author's library. */
export function isPeer({ peer }: Variant): boolean {
  return peer !== 'quorlock' && peer !== 'raw';
}

/** In words, for tables. */
export function nameOf({ peer, settings }: Variant): string {
  return peer === 'raw' || (peer === 'quorlock' && settings === 'shipped') ? peer : `${peer} ${settings}`;
}
