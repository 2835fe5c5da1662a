-- PERMIT: ACQUIRE a slot of a semaphore.
-- EXTEND-PERMIT: EXTEND it.
--
-- Each slot is a lock, so that no two have the same one. How many slots there are is kept beside them for as long as
-- anybody can have one, and whoever takes the semaphore for a larger or a smaller one gets none.
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

local function permit(run, first, n, value, ttl, number, member, score, permits)
  if late then return { LATE } end
  if not votes then return { QUARANTINED } end
  if not count_of(permits) then return { FAILED, 'not a number of permits: ' .. permits } end
  local size = KEYS[first + (number == '' and 2 or 3)]
  local known = redis.pcall('GET', size)
  local failure = error_of(known)
  if failure then return { FAILED, failure } end
  if known and known ~= permits then return { FOREIGN, 'a semaphore of ' .. known } end
  -- Kept for longer than any permit lives, from now on; a program with a shorter maxTtl takes nothing of it away.
  local kept = math.max(2 * tonumber(ARGV[3]), redis.call('PTTL', size))
  failure = error_of(redis.pcall('SET', size, permits, 'PX', kept))
  if failure then return { FAILED, failure } end
  return run(first, n, value, ttl, number, member, score, '')
end
