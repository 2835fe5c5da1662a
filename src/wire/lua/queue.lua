-- The queue of the waiters for a lock key: a sorted set beside it, which exists only while it has a waiter.
--
-- member    <process>.<waiter>: a process hears the notifications for its waiters on channel quorlock:wake:<process>.
--           The name of a waiter that would share the lock begins with `+`
-- score     since when it waits, microseconds of the nodes' time; the same on all nodes, so that all of them name the
--           same waiter as first
--
-- A hand-over reserves a free key by name: its value is then `~member` for `grace` milliseconds, and the member, which
-- leaves the queue, is notified: `<waiter>`, or `<waiter>:<slot>` where the key is a slot of a semaphore. Such a key has no owner; only that member takes it. One that is gone costs one grace,
-- one that is late enters again with its old score. Nothing of this decides who owns a key, only which waiter asks
-- next.

-- The value of a shared key, see share.lua.
local SHARED = '&'

local function has_queue(queue)
  return redis.pcall('EXISTS', queue) == 1
end

-- Reserves the key `lock`, which has no owner, for the first waiter of `queue` whose process hears the notification.
-- True if there is one; else the key is as it was before.
local function hand_to_first(lock, queue)
  local notified = false
  local slot = string.match(lock, '^quorlock:slot(:%d+):') or ''
  for _ = 1, MOST_DEAF do
    local member = redis.pcall('ZPOPMIN', queue)[1]
    if not member then break end
    local process, waiter = string.match(member, '^(.*)%.(.-)$')
    local heard = process and redis.pcall('PUBLISH', WAKE .. process, waiter .. slot)
    if type(heard) == 'number' and heard > 0 then
      notified = not redis.pcall('SET', lock, RESERVED .. member, 'PX', grace).err
      break
    end
  end
  return notified
end

-- Enters the waiter `member` in the queue at its `score`; a score that is not a time up to now counts as now. The queue
-- expires when no waiter has entered it for two of the longest ttls; a program with a shorter maxTtl does not shorten
-- it. Returns how many are before the waiter; nil if it could not enter.
local function wait_in(queue, member, score)
  local rank
  local asked = tonumber(score)
  if not (asked and asked >= 0 and asked <= now and asked % 1 == 0) then asked = now end
  local since = string.format('%.0f', asked)
  if type(redis.pcall('ZADD', queue, since, member)) == 'number' then
    local lifetime = 2 * max_ttl
    if redis.call('PTTL', queue) < lifetime then redis.call('PEXPIRE', queue, lifetime) end
    rank = redis.call('ZRANK', queue, member)
  end
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
