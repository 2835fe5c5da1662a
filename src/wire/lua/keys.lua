-- What operations do with lock keys and fence counters. Only made where a run had to leave something to them.

-- Who owns the lock key: nothing at all, or one value. Second result: the reply that refuses to go on, because
-- the key is no lock.
local function owner_of(key)
  local owner = redis.pcall('GET', key)
  local failure = error_of(owner)
  if not failure then return owner or nil end
  if string.find(failure, 'WRONGTYPE', 1, true) then
    return nil, { FOREIGN, redis.call('TYPE', key).ok }
  end
  return nil, { FAILED, failure }
end

-- The reply for a key that somebody else owns. A key without expiry never was a lock.
local function refusal(key)
  local remaining = redis.call('PTTL', key)
  if remaining == -1 then
    return { FOREIGN, 'string without expiry' }
  end
  return { HELD, remaining }
end

-- For how long a fence counter is kept from now on: never shorter than it was going to be.
local function kept(fence)
  return math.max(retention, redis.call('PTTL', fence))
end

-- A positive integer below the limit of counters; nothing if it is none.
local function count_of(text)
  if type(text) ~= 'string' or string.find(text, '%D') then return nil end
  local count = tonumber(text)
  return count and count >= 1 and count < COUNTER_LIMIT and count or nil
end

-- A fence counter. Nothing if it is lost, be it that something is there which is no counter: whoever writes it next heals it.
local function counter_of(fence)
  return count_of(redis.pcall('GET', fence))
end

-- What is said to be a token. Second result: the reply that refuses to go on, because it is none.
local function token_of(number)
  local token = count_of(number)
  if token then return token end
  return nil, { FAILED, 'not a token: ' .. number }
end

-- The reply that refuses to go on because a ttl is none; nothing if it is one.
local function bad_ttl(ttl)
  if not count_of(ttl) then return { FAILED, 'not a ttl: ' .. ttl } end
end

-- Makes all fence counters of a lock the same; they follow its n lock keys.
local function set_counters(first, n, token)
  for i = first + n, first + 2 * n - 1 do
    redis.call('SET', KEYS[i], digits(token), 'PX', kept(KEYS[i]))
  end
end
