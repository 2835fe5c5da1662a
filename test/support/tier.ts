const { QUORLOCK_TIER: tier } = process.env;

/** Whether this is `npm test`, which leaves to the long tests what is there several times over. */
export const isShort = tier === 'short';
