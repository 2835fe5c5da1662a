/** A lock that was granted together with a fencing token. */
export interface Grant {
  readonly holder: string;
  readonly token: number;
  /** When the holder asked for the lock, and when it had it: any unit, on one clock that all holders share. */
  readonly requestedAt: number;
  readonly grantedAt: number;
  /** Whether others might hold the lock at the same time, and the same token with it. Default: it was held alone. */
  readonly isShared?: boolean | undefined;
}

/** A broken rule of fencing tokens. `earlier` was granted first. */
export interface TokenFault<Granted extends Grant> {
  readonly kind: 'duplicate' | 'inversion';
  readonly earlier: Granted;
  readonly later: Granted;
}

/**
 * Checks that the tokens of one resource are unique, and increase in real time: a request that begins after a grant
 * gets a higher token. Requests that were in flight together may be served in any order. Holders that share the lock
 * may have one token among them, but never a lower one than that of a grant before their requests.
 *
 * Every grant that breaks a rule is reported once, against the earlier grant that shows it best.
 *
 * @throws {RangeError} a grant before its request, or a time that is not a number
 */
export function findTokenFaults<Granted extends Grant>(
  grants: readonly Granted[],
): readonly TokenFault<Granted>[] {
  const byGrant = inOrder(grants);
  return [...duplicates(byGrant), ...inversions(byGrant)];
}

function inOrder<Granted extends Grant>(grants: readonly Granted[]): readonly Granted[] {
  for (const { holder, requestedAt, grantedAt } of grants) {
    if (grantedAt >= requestedAt) continue;
    throw new RangeError(
      `${holder} must be granted its lock after it asked for it: got ${requestedAt} and ${grantedAt}`,
    );
  }
  return [...grants].sort((a, b) => a.grantedAt - b.grantedAt);
}

function duplicates<Granted extends Grant>(byGrant: readonly Granted[]): TokenFault<Granted>[] {
  const owners = new Map<number, Granted>();
  const faults: TokenFault<Granted>[] = [];
  for (const later of byGrant) {
    const earlier = owners.get(later.token);
    if (earlier === undefined) owners.set(later.token, later);
    else if (earlier.isShared !== true || later.isShared !== true)
      faults.push({ kind: 'duplicate', earlier, later });
  }
  return faults;
}

/** One pass over requests in their order, together with the highest token that had been granted before each. */
function inversions<Granted extends Grant>(byGrant: readonly Granted[]): TokenFault<Granted>[] {
  const byRequest = [...byGrant].sort((a, b) => a.requestedAt - b.requestedAt);
  const faults: TokenFault<Granted>[] = [];
  let highest: Granted | undefined;
  let next = 0;
  for (const later of byRequest) {
    for (; next < byGrant.length; next += 1) {
      const granted = byGrant[next];
      if (granted === undefined || granted.grantedAt >= later.requestedAt) break;
      if (highest === undefined || granted.token > highest.token) highest = granted;
    }
    // Equal tokens are duplicates, which are reported as such.
    if (highest !== undefined && highest.token > later.token) {
      faults.push({ kind: 'inversion', earlier: highest, later });
    }
  }
  return faults;
}
