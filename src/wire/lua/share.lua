-- SHARE: take part in a lock that any number may share, and that no other may have alone meanwhile.
-- CONFIRM-SHARE: make the counter at least the token that the quorum agreed on.
-- EXTEND-SHARE: let a share live longer. Never shortens.
-- ADOPT-SHARE: the same, by a process that the holder handed its share over to.
-- RELEASE-SHARE: release a share. The last one hands the key over to the first waiter. Harmless late, twice, or without
-- a marker.
--
-- A shared key has the value `&`. Beside it is a sorted set of its sharers' lock values, by the milliseconds of this
-- node's TIME when their shares expire. The key lives as long as the last of them: other libraries find it held.
--
-- keys      a lock key; if fenced, its fence counter; its queue; the set of its sharers
-- value     the lock value
-- ttl       milliseconds; unused to confirm and to release
-- number    SHARE, fenced: the proposed token; to confirm and to extend, fenced: the token; else empty
-- member, score   SHARE: as those of CONTEND, see acquire.lua
-- previous  SHARE: a lock value of the same process whose key it may take over, which is being released; or empty.
--           ADOPT-SHARE: the lock value whose share it takes over
--
-- {GRANTED, c}       SHARE: c is the counter, 0 if plain. Asked again, the expiry is left alone. To confirm and to
--                    extend: the token. To release: 1
-- {MISSING}          the share, or the one to adopt, is not there any more; after RELEASE-SHARE as after RELEASE
-- {HELD, remaining, holder, …}  a value has it alone, or a waiter goes first, for `remaining` milliseconds; see acquire.lua
-- {BEHIND, remaining, `&`, …}  the same where sharers have it, and a waiter that wants it alone goes first
-- {SUPERSEDED, c}    EXTEND-SHARE, fenced: this node had lost the share, and the counter is higher by now
-- {FOREIGN, type} {LATE} {QUARANTINED} {FAILED, message}

-- Until when a value has a share; nil if it has none that lives.
local function share_of(readers, value)
  local score = tonumber(redis.call('ZSCORE', readers, value) or nil)
  return score and score >= math.floor(now / 1000) and score or nil
end

-- Gives a value a share until `ttl` milliseconds from now. `is_first`: no other value has one.
local function take_share(key, readers, value, ttl, is_first)
  if is_first then
    redis.call('SET', key, SHARED, 'PX', ttl)
    redis.call('DEL', readers)
  end
  local expires = math.floor(now / 1000 + tonumber(ttl))
  local added = redis.pcall('ZADD', readers, digits(expires), value)
  if error_of(added) then
    if is_first then redis.call('DEL', key) end
    error(added)
  end
  if redis.call('PTTL', key) < tonumber(ttl) then redis.call('PEXPIRE', key, ttl) end
  if redis.call('PTTL', readers) < tonumber(ttl) then redis.call('PEXPIRE', readers, ttl) end
  if not is_first then redis.call('ZREMRANGEBYSCORE', readers, 0, '(' .. digits(math.floor(now / 1000))) end
end

-- Is a waiter that wants the key alone before a sharer, and has to be waited for? Then in how many milliseconds the sharer
-- may ask again. That waiter is notified, so that none that is gone keeps sharers out. If its process does not hear it,
-- the waiter leaves the queue. It also does if it does not come, and enter again, within a grace. In the meantime a
-- member of the sharers' set says when that was, by a score below 0.
local function wait_behind(queue, readers, member, score)
  local time = math.floor(now / 1000)
  local notified = tonumber(redis.call('ZSCORE', readers, RESERVED) or nil)
  local age = notified and time + notified or math.huge
  if age < tonumber(grace) then return math.floor(patience(score) / 2) end
  notify_sharers(queue)
  while is_behind(queue, member, score) do
    if age < 2 * grace then return patience(score) end
    if notify(redis.call('ZPOPMIN', queue)[1]) then
      redis.call('ZADD', readers, digits(-time), RESERVED)
      return math.floor(patience(score) / 2)
    end
  end
end

local function share(first, _, value, ttl, number, member, score, previous)
  if late then return { LATE } end
  if not votes then return { QUARANTINED } end
  local _, none = terms_of(ttl, '')
  if none then return none end
  local key = KEYS[first]
  local fence = KEYS[first + 1]
  local queue = KEYS[first + (number == '' and 1 or 2)]
  local readers = KEYS[first + (number == '' and 2 or 3)]
  local function refused(reply) return refuse(reply, { queue }, member, score) end

  local owner, foreign = owner_of(key)
  if foreign then return foreign end
  local is_free = owner == nil or (previous ~= '' and owner == previous) or is_open(key, owner, member, score)
  if owner == SHARED then
    if share_of(readers, value) then
      local counter, failure = number == '' and 0 or counter_of(fence)
      if not counter then counter, failure = raise_counter(fence, number) end
      return failure and { FAILED, failure } or { GRANTED, counter }
    end
    local again = wait_behind(queue, readers, member, score)
    if again then
      local reply = refuse(refusal(key, owner), { queue }, member, score, again)
      if reply[1] == HELD then reply[1] = BEHIND end
      return reply
    end
  elseif not is_free then
    return refused(refusal(key, owner))
  elseif owner == nil and is_behind(queue, member, score) and hand_to_first(key, queue) then
    return refused({ HELD, tonumber(grace), '' })
  end

  local counter, failure = 0, nil
  if number ~= '' then counter, failure = raise_counter(fence, number) end
  if failure then return { FAILED, failure } end
  take_share(key, readers, value, ttl, is_free)
  if member ~= '' then redis.pcall('ZREM', queue, member) end
  notify_sharers(queue)
  return { GRANTED, counter }
end

local function confirm_share(first, _, value, _, number)
  if not votes then return { QUARANTINED } end
  local token, none = token_of(number)
  if none then return none end
  local owner, foreign = owner_of(KEYS[first])
  if foreign then return foreign end
  if owner == nil then return { MISSING } end
  if owner ~= SHARED then return refusal(KEYS[first], owner) end
  if not share_of(KEYS[first + 3], value) then return { MISSING } end
  -- Other sharers may have raised the counter. No value had it alone since, or this value would have no share here.
  local counter = counter_of(KEYS[first + 1])
  if not counter or counter < token then set_counters(first, 1, token) end
  return { GRANTED, token }
end

local function extend_share(first, _, value, ttl, number, _, _, previous)
  if late then return { LATE } end
  if not votes then return { QUARANTINED } end
  local token, none = terms_of(ttl, number)
  if none then return none end
  local key = KEYS[first]
  local readers = KEYS[first + (token and 3 or 2)]
  local owner, foreign = owner_of(key)
  if foreign then return foreign end
  if owner ~= nil and owner ~= SHARED then return refusal(key, owner) end
  local known = owner == SHARED and share_of(readers, value)
  if previous and not known then
    known = owner == SHARED and share_of(readers, previous)
    if known then
      redis.call('ZADD', readers, digits(known), value)
      redis.call('ZREM', readers, previous)
    end
  end
  if not known and (previous or not token) then return { MISSING } end
  if token then
    local counter = counter_of(KEYS[first + 1])
    if not known and counter and counter > token then return { SUPERSEDED, counter } end
    local fence = KEYS[first + 1]
    redis.call('SET', fence, digits(math.max(counter or 0, token)), 'PX', lifetime_of(fence))
  end
  if not known or known < math.floor(now / 1000) + tonumber(ttl) then
    take_share(key, readers, value, ttl, owner == nil)
  end
  return { GRANTED, token or 0 }
end

local function release_share(first, _, value)
  local key, queue, readers = KEYS[first], KEYS[first + 1], KEYS[first + 2]
  local owner, foreign = owner_of(key)
  if foreign then return foreign end
  if owner ~= nil and owner ~= SHARED then return refusal(key, owner) end
  local freed = owner == SHARED and redis.call('ZREM', readers, value) == 1
  local last = freed and redis.call('ZRANGE', readers, -1, -1, 'WITHSCORES')
  -- It lives on with the remaining sharers.
  if last and last[2] then redis.call('PEXPIREAT', key, digits(tonumber(last[2]))) end
  local is_over = owner == nil or (freed and (not last[2] or redis.call('EXISTS', key) == 0))
  local notified = is_over and has_queue(queue) and hand_to_first(key, queue) and 1 or nil
  if freed and is_over then
    redis.call('DEL', readers)
    if not notified then redis.call('DEL', key) end
  end
  if freed then return { GRANTED, 1, notified } end
  return notified and { MISSING, 0, notified } or { MISSING }
end
