-- What operations do with lock keys and fence counters.

-- Numbers are doubles here, and tostring() keeps only 14 digits of them.
local function digits(number)
  return string.format('%.0f', number)
end

local function error_of(reply)
  return type(reply) == 'table' and reply.err or nil
end

-- The owner of a lock key: nil, or one value. Second result: the reply of an operation that has to stop, because the
-- key is not a lock.
local function owner_of(key)
  local owner = redis.pcall('GET', key)
  local failure = error_of(owner)
  if not failure then return owner or nil end
  if string.find(failure, 'WRONGTYPE', 1, true) then return nil, { FOREIGN, redis.call('TYPE', key).ok } end
  return nil, { FAILED, failure }
end

-- The value of a shared key, see share.lua.
local SHARED = '&'

-- The owner that a lock value names, `<process>@<owner>.<count>`; `&` for sharers; empty if the value names none.
local function holder_in(value)
  return value == SHARED and value or string.match(value or '', '^[%w_-]+@(.+)%.[^.]+$') or ''
end

-- The reply for a key that this other value owns. A key without expiry never was a lock.
local function refusal(key, value)
  local remaining = redis.call('PTTL', key)
  if remaining == -1 then return { FOREIGN, 'string without expiry' } end
  return { HELD, remaining, holder_in(value) }
end

-- For how long a fence counter lives from now on: never shorter than it was going to.
local function lifetime_of(fence)
  return math.max(retention, redis.call('PTTL', fence))
end

-- A positive integer below the limit of counters; nil for anything else.
local function count_of(text)
  if type(text) ~= 'string' or string.find(text, '%D') then return nil end
  local count = tonumber(text)
  return count and count >= 1 and count < COUNTER_LIMIT and count or nil
end

-- A fence counter. Nil if it is lost, also where the key has something else than a counter: the next write heals it.
local function counter_of(fence)
  return count_of(redis.pcall('GET', fence))
end

-- The token in an argument. Second result: the reply of an operation that has to stop, because it is not a token.
local function token_of(number)
  local token = count_of(number)
  if token then return token end
  return nil, { FAILED, 'not a token: ' .. number }
end

-- The token of an operation with a ttl, nil if plain; and as above, or because the ttl is not one.
local function terms_of(ttl, number)
  if not count_of(ttl) then return nil, { FAILED, 'not a ttl: ' .. ttl } end
  if number ~= '' then return token_of(number) end
end

-- Makes all fence counters of a lock the same; they follow its n lock keys.
local function set_counters(first, n, token)
  for i = first + n, first + 2 * n - 1 do
    redis.call('SET', KEYS[i], digits(token), 'PX', lifetime_of(KEYS[i]))
  end
end
