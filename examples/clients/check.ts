import type { Client } from 'quorlock';
import { checkClient } from 'quorlock/testing';
import { Link } from './link.ts';

/** Rejects with an error that lists the rules which a client breaks. */
export async function check(make: (url: string) => Client, serverPort: number): Promise<void> {
  const link = await new Link(serverPort).open();
  try {
    await checkClient(make, link);
  } finally {
    await link.close();
  }
}
