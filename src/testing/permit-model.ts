import type { Request } from './batch-request.ts';
import type { Call } from './call-model.ts';
import { countOf, failureOf } from './lua-values.ts';
import { type BatchReply, FAILED, FOREIGN, LATE, QUARANTINED } from './reply-codes.ts';

/** PERMIT and EXTEND-PERMIT, as `wire/lua/permit.lua` has them; `run` is the operation on the slots. */
export function takePermits(
  call: Call,
  { besides: size = '', permits }: Request,
  run: () => BatchReply,
): BatchReply {
  if (call.isLate) return [LATE];
  if (!call.voting()) return [QUARANTINED];
  if (countOf(permits) === undefined) return [FAILED, `not a number of permits: ${permits}`];
  const known = call.store.typeOf(size) === 'string' ? call.store.get(size) : undefined;
  if (countOf(known) !== undefined && known !== permits) return [FOREIGN, `a semaphore of ${known}`];
  const lifetime = Math.max(2 * call.maxTtl, call.store.ttlOf(size));
  const failure = failureOf(() => call.store.set(size, permits, lifetime));
  return failure === undefined ? run() : [FAILED, failure];
}
