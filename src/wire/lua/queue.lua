-- The queue of the waiters for a lock key: a sorted set beside it, which exists only while it has a waiter.
--
-- member    <process>.<waiter>: a process hears the notifications for its waiters on the channel quorlock:wake:<process>.
--           The name of a waiter that would share the lock begins with `+`
-- score     since when it waits, microseconds of the nodes' time; the same on all nodes, so that all of them name the
--           same waiter as first
--
-- A hand-over reserves a free key by name: its value is then `~member` for `grace` milliseconds, and the member is
-- notified. Such a key has no owner. Only the member it names takes it; for all others it is held. The member is no
-- longer in the queue: one that is gone costs one grace, one that was not quick enough enters again with its old score.
-- Nothing of this decides who owns a key. It decides which waiter asks for it next.

-- Most keys have no queue, and every call makes its functions anew: so these are made where a queue was found.

-- The value of a shared key, see share.lua.
local SHARED = '&'

local function has_queue(queue)
  return redis.pcall('EXISTS', queue) == 1
end

local function queue_functions()
  local function hand_to_first(lock, queue)
    --[[ hand-over ]]
    return notified
  end

  local function wait_in(queue, member, score)
    --[[ wait-in ]]
    return rank
  end

  -- The reply to a waiter that is refused because of these queues' keys: it enters them, if a held key is the cause.
  local function refuse(reply, queues, member, score)
    if not member or member == '' or reply[1] ~= HELD then return reply end
    local before
    for i = 1, #queues do
      local rank = wait_in(queues[i], member, score)
      if rank and rank >= (before or 0) then before = rank end
    end
    return { HELD, reply[2], before }
  end

  -- Is another waiter before this one? A caller that does not wait is behind all waiters.
  local function is_behind(queue, member, score)
    local first = redis.pcall('ZRANGE', queue, 0, 0, 'WITHSCORES')
    if not first[1] or first[1] == member then return false end
    local asked = tonumber(score)
    if not (asked and asked >= 0) then asked = now end
    return member == '' or tonumber(first[2]) < asked
  end

  -- Notifies the first waiters, as long as they would share the lock with its present sharers.
  local function notify_sharers(queue)
    if not has_queue(queue) then return end
    for _ = 1, MOST_DEAF do
      local member = redis.pcall('ZRANGE', queue, 0, 0)[1]
      local process, waiter = string.match(member or '', '^(.*)%.(%+.-)$')
      if not process then return end
      redis.call('ZREM', queue, member)
      redis.pcall('PUBLISH', WAKE .. process, waiter)
    end
  end

  return hand_to_first, wait_in, is_behind, notify_sharers, refuse
end
