-- A waiter that takes one key as the first, or because it was notified; or that another owner keeps from it.

local value, ttl, number, member, score = ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6]
local lock, queue = KEYS[key], KEYS[key + (number == '' and 1 or 2)]
local reply
local is_taken, is_awaited = false, false
local set = redis.pcall('SET', lock, value, 'NX', 'PX', ttl)
if not set then
  local owner = redis.pcall('GET', lock)
  if type(owner) == 'string' and owner ~= value then
    if member ~= '' and owner == RESERVED .. member then
      is_taken = not redis.pcall('SET', lock, value, 'PX', ttl).err
      is_awaited = true
    else
      local remaining = redis.call('PTTL', lock)
      if remaining >= 0 then
        reply = { HELD, remaining }
        if member ~= '' then
          --[[ wait-in ]]
          reply[3] = rank
        end
      end
    end
  end
elseif not set.err then
  is_taken = redis.pcall('EXISTS', queue) == 0
  -- Another waiter may be before this one.
  if not is_taken then redis.call('DEL', lock) end
end
if is_taken then
  reply = { GRANTED, 0 }
  if number ~= '' then
    local fence = KEYS[key + 1]
    --[[ raise-counter ]]
    reply[2] = token
    if failure then
      redis.pcall('DEL', lock)
      reply = { FAILED, failure }
    end
  end
  if is_awaited and member ~= '' and reply[1] == GRANTED then redis.pcall('ZREM', queue, member) end
end
if reply then
  replies[#replies + 1] = reply
  rest = 0
end
