-- ACQUIRE of several keys: all of them, or none. Replies as in acquire.lua; several held keys are held for as long as
-- the one that is held longest.
--
-- Several waiters may want some of the same keys, and others own the rest. The oldest waiter keeps the keys that are
-- free: they are reserved for it, so that younger waiters do not pass it again and again. It also takes what is reserved
-- for those. A younger waiter keeps nothing, or all would wait for all.
-- A waiter that asks no more loses what it keeps after half of the time for which it has waited.
--
-- keys      n lock keys; if fenced, their n fence counters; their n queues

-- Results: the keys that can be taken; the reply, if some can't; the places of the held ones; when to ask again.
local function look_at_all(first, n, queues, value, member, score)
  local free, blocked, reserved = {}, {}, {}
  local held, again
  local asked = asked_at(score)
  local is_oldest = member ~= ''
  for i = 0, n - 1 do
    local key, queue = KEYS[first + i], KEYS[queues + i]
    local owner, foreign = owner_of(key)
    if foreign then return free, foreign, blocked end
    if is_behind(queue, member, score) and (owner or hand_to_first(key, queue)) then
      is_oldest = false
      owner = owner or RESERVED
    end
    local other, since = reservation(owner)
    if owner == nil or (other and member ~= '' and (other == member or since > asked)) then
      free[#free + 1] = key
      if other == member then reserved[#reserved + 1] = i end
    elseif owner ~= value then
      if other then is_oldest = false end
      local reply = refusal(key, owner)
      if reply[1] == FOREIGN then return free, reply, blocked end
      if not held or reply[2] > held[2] then held = reply end
      blocked[#blocked + 1] = i
    end
  end
  if held and is_oldest then
    local time = patience(score)
    again = math.floor(time / 2)
    for j = 1, #free do redis.pcall('SET', free[j], RESERVED .. member .. ':' .. digits(asked), 'PX', time) end
  elseif held then
    for j = 1, #reserved do
      local key = KEYS[first + reserved[j]]
      if not hand_to_first(key, KEYS[queues + reserved[j]]) then redis.call('DEL', key) end
    end
  end
  return free, held, blocked, again
end

local function acquire_all(first, n, value, ttl, number, member, score)
  if late then return { LATE } end
  if not votes then return { QUARANTINED } end
  member = member or ''
  local queues = first + n * (number == '' and 1 or 2)
  local free, reply, blocked, again = look_at_all(first, n, queues, value, member, score)
  if reply then
    local names = {}
    for i = 1, #blocked do names[i] = KEYS[queues + blocked[i]] end
    return refuse(reply, names, member, score, again)
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
    local names = {}
    for i = 1, n do names[i] = KEYS[queues + i - 1] end
    return grant(counter, names, member)
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
