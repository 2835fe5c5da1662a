-- The queue of the waiters for a lock key: a sorted set beside it, which exists only while it has a waiter.
--
-- member    <process>.<waiter>: a process hears the notifications for its waiters on channel quorlock:wake:<process>.
--           That name ends with its owner's, and may have a `.` in it.
--           The name of a waiter that would share the lock begins with `+`. The name of a waiter for a permit ends with
--           `/` and the number of slots that it knows of. No other is handed to it.
-- score     since when it waits, microseconds of the nodes' time. All nodes have the same, and so name the same waiter
--           as first
--
-- A hand-over reserves a free key by name and age: its value is then `~member:score` for `grace` milliseconds. The member
-- leaves the queue, and is notified: `<waiter>`, or `<waiter>:<slot>` where the key is a slot of a semaphore. A slot's
-- value has no age. Such a key has no owner; only that member takes it. A member that is gone costs one grace. One that
-- is late enters the queue with its old score. A waiter for several keys may keep one for longer, see acquire-all.lua:
-- an older waiter takes it. Older programs write no age: what they reserve only that member takes. Nothing of this
-- decides which value owns a key, only which waiter asks next.

local function has_queue(queue)
  return redis.pcall('EXISTS', queue) == 1
end

-- Since when a waiter of this score waits; one that is not a time up to now counts as now.
local function asked_at(score)
  local asked = tonumber(score)
  return asked and asked >= 0 and asked <= now and asked % 1 == 0 and asked or now
end

-- For how many milliseconds a waiter is trusted to be there: half of the time for which it has waited.
local function patience(score)
  return math.floor(math.min(40 * grace, math.max(2 * grace, (now - asked_at(score)) / 2000)))
end

-- The waiter that a key with this value is reserved for, and since when it waits; nil if it is not reserved.
local function reservation(owner)
  local member, since = string.match(owner or '', '^~(.*):(%d+)$')
  return member or string.match(owner or '', '^~(.*)'), tonumber(since or 0)
end

-- May the waiter take a key with this value: is it reserved for the waiter, or kept for a younger one? A younger one
-- that has just been notified has its turn.
local function is_open(lock, owner, member, score)
  local other, since = reservation(owner)
  if not other or not member or member == '' then return false end
  return other == member or (since > asked_at(score) and redis.call('PTTL', lock) > tonumber(grace))
end

-- True if the waiter's process hears that it is notified. `slot`: `:<slot>`, of a semaphore.
local function notify(member, slot)
  local process, waiter = string.match(member, '^(.*)%.(.-)$')
  local heard = process and redis.pcall('PUBLISH', WAKE .. process, waiter .. (slot or ''))
  return type(heard) == 'number' and heard > 0
end

-- Does the waiter for a permit know of this slot, `:<slot>`?
local function knows(member, slot)
  local known = string.match(member, '/(%d+)$')
  return not known or tonumber(known) > tonumber(string.sub(slot, 2))
end

-- Reserves the key `lock`, which has no owner, for the first waiter of `queue` whose process hears the notification.
-- True if there is one; else the key is as it was before. `hung`: how the names of waiters begin that are
-- passed over, because their process hangs. They are notified all the same, and enter the queue once they can.
local function hand_to_first(lock, queue, hung)
  local slot = string.match(lock, '^quorlock:slot(:%d+):')
  local at = 0
  for _ = 1, MOST_DEAF do
    local first = slot and redis.pcall('ZRANGE', queue, at, at, 'WITHSCORES') or redis.pcall('ZPOPMIN', queue)
    local member, score = unpack(first)
    if not member then return false end
    local stays = slot and not knows(member, slot)
    if stays then at = at + 1 elseif slot then redis.call('ZREM', queue, member) end
    local heard = not stays and notify(member, slot)
    if heard and not (hung and string.find(member, hung, 1, true) == 1) then
      local reservation = RESERVED .. member .. (slot and '' or ':' .. score)
      return not redis.pcall('SET', lock, reservation, 'PX', grace).err
    end
  end
end

-- Enters the waiter `member` in the queue at its `score`. The queue expires when no waiter has entered it for two of the
-- longest ttls; a program with a shorter maxTtl does not shorten it. Returns how many are before the waiter.
local function wait_in(queue, member, score)
  if type(redis.pcall('ZADD', queue, digits(asked_at(score)), member)) ~= 'number' then return 0 end
  local lifetime = 2 * max_ttl
  if redis.call('PTTL', queue) < lifetime then redis.call('PEXPIRE', queue, lifetime) end
  return redis.call('ZRANK', queue, member)
end

-- The reply to a waiter that is refused because of these queues' keys: it enters them, if a held key is the cause.
local function refuse(reply, queues, member, score, again)
  if not member or member == '' or reply[1] ~= HELD then return reply end
  local before = 0
  for i = 1, #queues do before = math.max(before, wait_in(queues[i], member, score)) end
  return { HELD, reply[2], reply[3], before, #queues, again }
end

-- The reply to a caller that has its keys: as a waiter it leaves their queues.
local function grant(counter, queues, member)
  local others = 0
  if member and member ~= '' then
    for i = 1, #queues do
      redis.pcall('ZREM', queues[i], member)
      local left = redis.pcall('ZCARD', queues[i])
      if type(left) == 'number' then others = math.max(others, left) end
    end
  end
  if others == 0 then return { GRANTED, counter } end
  return { GRANTED, counter, 0, others }
end

-- Is another waiter before this one? A caller that does not wait is behind all waiters.
local function is_behind(queue, member, score)
  local first = redis.pcall('ZRANGE', queue, 0, 0, 'WITHSCORES')
  if not first[1] or first[1] == member then return false end
  return member == '' or tonumber(first[2]) < asked_at(score)
end

-- Notifies the first waiters, as long as they would share the lock with its present sharers.
local function notify_sharers(queue)
  if not has_queue(queue) then return end
  for _ = 1, MOST_DEAF do
    local member = redis.pcall('ZRANGE', queue, 0, 0)[1]
    if not string.find(member or '', '%.%+[^.]*$') then return end
    redis.call('ZREM', queue, member)
    notify(member)
  end
end
