/** The reply of an operation: a reply code of `wire/lua/prelude.lua`, and the fields that follow. */
export type BatchReply = readonly [code: number, ...fields: readonly (number | string)[]];

export const GRANTED = 1;
export const HELD = 2;
export const MISSING = 3;
export const FOREIGN = 4;
export const SUPERSEDED = 5;
export const LATE = 6;
export const QUARANTINED = 7;
export const FAILED = 8;
export const QUEUE = 9;
export const BEHIND = 10;
