-- ACQUIRE of several keys: all of them, or none. Replies as in acquire.lua; several held keys are held for as long as
-- the one that is held longest.
--
-- keys      n lock keys; if fenced, their n fence counters; their n queues

-- Results: the keys that can be taken; the reply, if some can't; the places of the held ones.
local function look_at_all(first, n, queues, value, member, score)
  local free, blocked, reserved = {}, {}, {}
  local held
  for i = 0, n - 1 do
    local key, queue = KEYS[first + i], KEYS[queues + i]
    local owner, foreign = owner_of(key)
    if foreign then return free, foreign, blocked end
    local is_reserved = member ~= '' and owner == RESERVED .. member
    if is_reserved then reserved[#reserved + 1] = i end
    if owner == nil and is_behind(queue, member, score) and hand_to_first(key, queue) then owner = RESERVED end
    if owner == nil or is_reserved then
      free[#free + 1] = key
    elseif owner ~= value then
      local reply = refusal(key)
      if reply[1] == FOREIGN then return free, reply, blocked end
      if not held or reply[2] > held[2] then held = reply end
      blocked[#blocked + 1] = i
    end
  end
  if held then
    -- The keys that are reserved for this waiter are of no use to it without the others.
    for j = 1, #reserved do
      local key = KEYS[first + reserved[j]]
      if not hand_to_first(key, KEYS[queues + reserved[j]]) then redis.call('DEL', key) end
    end
  end
  return free, held, blocked
end

local function acquire_all(first, n, value, ttl, number, member, score)
  if late then return { LATE } end
  if not votes then return { QUARANTINED } end
  member = member or ''

  local queues = first + n * (number == '' and 1 or 2)
  local free, reply, blocked = look_at_all(first, n, queues, value, member, score)
  if reply then
    local names = {}
    for i = 1, #blocked do names[i] = KEYS[queues + blocked[i]] end
    return refuse(reply, names, member, score)
  end
  local taken = {}
  local function undo(message)
    for i = 1, #taken do redis.call('DEL', taken[i]) end
    return { FAILED, message }
  end
  for i = 1, #free do
    local failure = error_of(redis.pcall('SET', free[i], value, 'PX', ttl))
    if failure then return undo(failure) end
    taken[#taken + 1] = free[i]
  end

  local function granted(counter)
    if member ~= '' then
      for i = queues, queues + n - 1 do redis.pcall('ZREM', KEYS[i], member) end
    end
    return { GRANTED, counter }
  end
  if number == '' then return granted(0) end
  local token = 0
  if #taken == 0 then
    local is_whole = true
    for i = first + n, first + 2 * n - 1 do
      local counter = counter_of(KEYS[i])
      is_whole = is_whole and counter ~= nil
      token = math.max(token, counter or 0)
    end
    if token > 0 then
      if not is_whole then set_counters(first, n, token) end
      return granted(token)
    end
  end
  -- One number above every counter involved, and the same in each of them.
  for i = first + n, first + 2 * n - 1 do
    local counter, failure = raise_counter(KEYS[i], number)
    if failure then return undo(failure) end
    token = math.max(token, counter)
  end
  set_counters(first, n, token)
  return granted(token)
end
