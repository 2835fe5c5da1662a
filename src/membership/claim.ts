import type { Handshake } from '../node/marker.ts';

/** A node without memory of its own, as it was last seen. */
export interface Fresh<Subject> {
  readonly member: Subject;
  readonly handshake: Handshake;
}

/**
 * Marks all nodes of what looks like a new deployment as being started by us, and looks at them again. Where each of
 * them still carries our claim then, there was a moment at which all of them carried it: none had a memory that could
 * contradict. That a program has seen every node without a marker does not say so, since it saw them one after the
 * other. The first claim is on the node that all programs agree on, so that of several that start together one wins.
 *
 * @param write writes a claim, provided that the node is still as it was seen
 * @param handshakeAgain looks at a node again
 * @returns the nodes as they were seen with our claims; undefined if somebody else has changed one
 * @throws what a look failed with
 */
export async function claimAll<Subject>(
  fresh: readonly Fresh<Subject>[],
  write: (fresh: Fresh<Subject>) => Promise<Handshake>,
  handshakeAgain: (member: Subject) => Promise<Handshake>,
): Promise<readonly Fresh<Subject>[] | undefined> {
  const claimed: Fresh<Subject>[] = [];
  const claim = async (one: Fresh<Subject>) => {
    const handshake = await write(one);
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
