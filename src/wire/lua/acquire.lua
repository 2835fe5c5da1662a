-- ACQUIRE: take all keys of one lock, or none.
--
-- keys      n lock keys; if fenced, their n fence counters
-- value     the lock value of this attempt, never used before
-- ttl       milliseconds
-- number    fenced: the proposed token, microseconds; plain: empty
--
-- {GRANTED, c}           the owner is `value`; c is the counter, 0 if plain. Asked again, it answers the same
--                        and leaves the expiry alone: a driver may send a command twice.
-- {HELD, remaining}      somebody else holds a key for that many milliseconds
-- {FOREIGN, type}        a key is no lock
-- {LATE} {QUARANTINED}   the deadline has passed; this node may not vote
-- {FAILED, message}      a command failed; nothing is left behind

-- Raises a fence counter above all it ever answered, at least to `floor`. One call in the ordinary case.
local function raise_counter(fence, floor)
  local reply = redis.pcall('SET', fence, digits(floor), 'PX', retention, 'GET')
  local failure = error_of(reply)
  if failure then
    return nil, failure
  end
  local before = tonumber(reply or nil)
  if before and before >= floor then
    floor = before + 1
    redis.call('SET', fence, digits(floor), 'PX', retention)
  end
  return floor
end

local function acquire(first, n, value, ttl, number)
  if late then return { LATE } end
  if not voting() then return { QUARANTINED } end

  -- One key, the ordinary case: SET NX looks and takes in one call.
  local taken = {}
  local function undo(message)
    for i = 1, #taken do redis.call('DEL', taken[i]) end
    return { FAILED, message }
  end

  if n == 1 then
    local key = KEYS[first]
    local set = redis.pcall('SET', key, value, 'NX', 'PX', ttl)
    local failure = error_of(set)
    if set and not failure then
      taken[1] = key
    else
      local owner, foreign = owner_of(key)
      if foreign then return foreign end
      if owner ~= nil and owner ~= value then return refusal(key) end
      if failure then return { FAILED, failure } end
    end
  else
    local free = {}
    local held
    for i = first, first + n - 1 do
      local owner, foreign = owner_of(KEYS[i])
      if foreign then return foreign end
      if owner == nil then
        free[#free + 1] = KEYS[i]
      elseif owner ~= value then
        local reply = refusal(KEYS[i])
        if reply[1] == FOREIGN then return reply end
        if not held or reply[2] > held[2] then held = reply end
      end
    end
    if held then return held end
    for i = 1, #free do
      local failure = error_of(redis.pcall('SET', free[i], value, 'PX', ttl))
      if failure then return undo(failure) end
      taken[#taken + 1] = free[i]
    end
  end

  if number == '' then return { GRANTED, 0 } end

  local token = 0
  if #taken == 0 then
    for i = first + n, first + 2 * n - 1 do
      token = math.max(token, tonumber(redis.call('GET', KEYS[i]) or nil) or 0)
    end
    if token > 0 then return { GRANTED, token } end
  end
  local floor = clamp(tonumber(number))
  if n == 1 then
    local counter, failure = raise_counter(KEYS[first + 1], floor)
    if failure then return undo(failure) end
    return { GRANTED, counter }
  end
  -- One number above every counter involved, and the same in each of them.
  for i = first + n, first + 2 * n - 1 do
    local counter, failure = raise_counter(KEYS[i], floor)
    if failure then return undo(failure) end
    token = math.max(token, counter)
  end
  set_counters(first, n, token)
  return { GRANTED, token }
end
