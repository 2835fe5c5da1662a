-- The queue of those who wait for a lock key: a sorted set beside it, which exists only while somebody waits.
--
-- member    <process>.<contender>: the process hears its contenders called on the channel quorlock:wake:<process>. The
--           name of a contender that would share the lock begins with `+`
-- score     when the contender asked, microseconds of the nodes' time; the same on all nodes, so that all of them
--           name the same one as first
--
-- A free key is handed on by name: its value is then `~member` for `grace` milliseconds, and the member is told so.
-- Such a key has no owner. Only the member it names takes it; for everybody else it is held. The member is no longer
-- in the queue: one that is gone costs one grace, one that was not quick enough enters again with its old score.
-- Nothing of this decides who owns a key. It decides who asks for it next.

-- Most keys have no queue, and every call makes its functions anew: so these are made where a queue was found.

-- The value of a key that is shared, see share.lua.
local SHARED = '&'

local function has_queue(queue)
  return redis.pcall('EXISTS', queue) == 1
end

local function queue_functions()
  local function hand_to_first(lock, queue)
    --[[ hand-over ]]
    return called
  end

  local function wait_in(queue, member, score)
    --[[ wait-in ]]
    return rank
  end

  -- The reply to a waiter that is refused because of these queues' keys: it enters them, if that is what kept it.
  local function refuse(reply, queues, member, score)
    if not member or member == '' or reply[1] ~= HELD then return reply end
    local before
    for i = 1, #queues do
      local rank = wait_in(queues[i], member, score)
      if rank and rank >= (before or 0) then before = rank end
    end
    return { HELD, reply[2], before }
  end

  -- Is somebody else before this waiter? Newcomers that do not wait are behind everybody.
  local function is_behind(queue, member, score)
    local first = redis.pcall('ZRANGE', queue, 0, 0, 'WITHSCORES')
    if not first[1] or first[1] == member then return false end
    local asked = tonumber(score)
    if not (asked and asked >= 0) then asked = now end
    return member == '' or tonumber(first[2]) < asked
  end

  -- Calls those who wait first as long as they would share the lock with those who have it.
  local function notify_sharers(queue)
    if not has_queue(queue) then return end
    for _ = 1, MOST_DEAF do
      local member = redis.pcall('ZRANGE', queue, 0, 0)[1]
      local process, contender = string.match(member or '', '^(.*)%.(%+.-)$')
      if not process then return end
      redis.call('ZREM', queue, member)
      redis.pcall('PUBLISH', WAKE .. process, contender)
    end
  end

  return hand_to_first, wait_in, is_behind, notify_sharers, refuse
end
