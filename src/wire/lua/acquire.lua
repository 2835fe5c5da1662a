-- ACQUIRE of one key; acquire-all.lua has several.
--
-- keys      a lock key; if fenced, its fence counter; its queue
-- value     the lock value of this attempt, never used before
-- ttl       milliseconds
-- number    fenced: the proposed token, microseconds; plain: empty
--
-- CONTEND has two more, and an empty one:
-- member    the waiter, see queue.lua; refused because of a held key, it enters that key's queue
-- score     since when it waits
--
-- {GRANTED, c}           the owner is `value`; c is the counter, 0 if plain: the highest token of the block. Asked
--                        again, it answers the same and leaves the expiry alone: a driver may send a command twice.
-- {GRANTED, c, 0, others} the same, to a waiter; `others` others wait
-- {HELD, remaining, holder}  another value owns a key, or another waiter goes first, for that many milliseconds. holder:
--                        the owner that the value names, `&` for sharers, or empty
-- {HELD, remaining, holder, rank, n, again}  CONTEND with a member: it waits in n queues, and rank waiters are before it in one.
--                        again: free keys are reserved for it, if it asks again after that many milliseconds
-- {FOREIGN, type}        a key is not a lock
-- {LATE} {QUARANTINED}   the deadline has passed; this node may not vote
-- {FAILED, message}      a command failed; nothing is left behind

-- `distance`: from the key to its counter, and from there to its queue, among KEYS.
local function acquire(first, distance, value, ttl, number, member, score)
  if late then return { LATE } end
  if not votes then return { QUARANTINED } end

  local key = KEYS[first]
  local queue = KEYS[first + (number == '' and 1 or 2) * distance]
  local function refused(reply) return refuse(reply, { queue }, member, score) end

  -- The ordinary case: SET NX looks and takes in one command.
  local is_taken = false
  local set = redis.pcall('SET', key, value, 'NX', 'PX', ttl)
  local failure = error_of(set)
  if set and not failure then
    if has_queue(queue) and is_behind(queue, member or '', score) and hand_to_first(key, queue) then
      return refused({ HELD, tonumber(grace), '' })
    end
    is_taken = true
  else
    local owner, foreign = owner_of(key)
    if foreign then return foreign end
    if owner == nil and failure then return { FAILED, failure } end
    if owner ~= value then
      if not is_open(key, owner, member, score) then return refused(refusal(key, owner)) end
      failure = error_of(redis.pcall('SET', key, value, 'PX', ttl))
      if failure then return { FAILED, failure } end
      is_taken = true
    end
  end

  local function granted(counter) return grant(counter, { queue }, member) end
  if number == '' then return granted(0) end
  local fence = KEYS[first + distance]
  if not is_taken then
    local token = counter_of(fence)
    if token then return granted(token) end
  end
  local counter
  counter, failure = raise_counter(fence, number)
  if not failure then return granted(counter) end
  if is_taken then redis.call('DEL', key) end
  return { FAILED, failure }
end
