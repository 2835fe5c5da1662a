-- ACQUIRE in the ordinary case: one key without a waiter, which no other value owns.
--
-- Returns the counter, or 0 if `fence` is false, for a plain lock. Returns {FAILED, message} if a command failed, and nil
-- if it is not the ordinary case after all, and nothing was done.

local function take(lock, value, ttl, fence, number)
  local set = redis.pcall('SET', lock, value, 'NX', 'PX', ttl)
  if not set or set.err then return nil end
  if not fence then return 0 end
  local token, failure = raise_counter(fence, number)
  if not failure then return token end
  redis.pcall('DEL', lock)
  return { FAILED, failure }
end
