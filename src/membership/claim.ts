/*
 * On a new deployment no node has a marker, and a quarantine for all of them would be a needless wait. The naive
 * answer is to look at all nodes, and to start if all are blank. But a client sees them one after the other, and they
 * may forget one after the other. So it claims all of them, and looks again.
 */

import type { Handshake } from '../node/marker.ts';

/** A node without memory of its own, as this client last saw it. */
export interface Fresh<Subject> {
  readonly member: Subject;
  readonly handshake: Handshake;
}

/**
 * Claims all nodes of what looks like a new deployment, and looks at them again. If each node still carries this
 * client's claim, there was a moment at which all of them carried it. None had a memory then that could contradict.
 * All clients place the first claim on the same node, so that one wins if several start together.
 * @param write writes a claim, provided that the node is still as it was seen
 * @returns the nodes as they were seen with the claims; undefined if another client has changed one
 * @throws the error of a handshake
 */
export async function claimAll<Subject>(
  fresh: readonly Fresh<Subject>[],
  write: (fresh: Fresh<Subject>) => Promise<Handshake>,
  handshakeAgain: (member: Subject) => Promise<Handshake>,
): Promise<readonly Fresh<Subject>[] | undefined> {
  const claimed: Fresh<Subject>[] = [];
  const claim = async (one: Fresh<Subject>) => {
    let handshake = await write(one);
    const { marker, runId } = one.handshake;
    // The node is far away, and nothing has changed there: only the look at it was too old by the time of the first claim.
    const isJustLate = !handshake.written && handshake.marker === marker && handshake.runId === runId;
    if (isJustLate) handshake = await write({ ...one, handshake });
    if (handshake.written) claimed.push({ member: one.member, handshake });
  };
  const [first, ...others] = fresh.toSorted((a, b) => (a.handshake.runId < b.handshake.runId ? -1 : 1));
  if (first === undefined) return [];
  await claim(first);
  if (claimed.length > 0) await Promise.all(others.map(claim));
  if (claimed.length < fresh.length) return undefined;
  const seen = await Promise.all(
    claimed.map(async ({ member, handshake: { marker } }) => ({
      member,
      marker,
      handshake: await handshakeAgain(member),
    })),
  );
  return seen.every(({ marker, handshake }) => handshake.marker === marker) ? seen : undefined;
}
