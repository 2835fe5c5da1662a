-- PERMIT: ACQUIRE a slot of a semaphore.
-- EXTEND-PERMIT: EXTEND it.
--
-- Each slot is a lock. Their number is stored beside them, for as long as any permit can live. A caller with another
-- number gets no permit.
--
-- keys      a slot key; if fenced, its fence counter; the queue that all slots have in common; the size
-- value     the lock value
-- ttl       milliseconds
-- number    as those of ACQUIRE and EXTEND
-- member, score   PERMIT: as those of CONTEND, see acquire.lua
-- permits   how many slots the caller takes the semaphore to have
--
-- Replies as those of ACQUIRE and EXTEND, and
-- {FOREIGN, type}   also: it is a semaphore of another size, which `type` names
-- {LATE} {QUARANTINED} {FAILED, message}

local function permit(perform, first, n, value, ttl, number, member, score, permits)
  if late then return { LATE } end
  if not votes then return { QUARANTINED } end
  if not count_of(permits) then return { FAILED, 'not a number of permits: ' .. permits } end
  local size = KEYS[first + (number == '' and 2 or 3)]
  local known = redis.pcall('GET', size)
  local failure = error_of(known)
  if failure and not string.find(failure, 'WRONGTYPE', 1, true) then return { FAILED, failure } end
  -- A value that is not a number of permits is a lost one.
  if count_of(known) and known ~= permits then return { FOREIGN, 'a semaphore of ' .. known } end
  -- A program with a shorter maxTtl does not shorten it.
  local lifetime = math.max(2 * max_ttl, redis.call('PTTL', size))
  failure = error_of(redis.pcall('SET', size, permits, 'PX', lifetime))
  if failure then return { FAILED, failure } end
  return perform(first, n, value, ttl, number, member, score, '')
end
