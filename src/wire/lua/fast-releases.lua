-- A batch of releases whose keys are still the caller's and have no waiter; or one release, also where a waiter waits,
-- or where the key has another owner or none.

local queues = key + n
rest = n
if n == 1 then
  local reply
  local owner = redis.pcall('GET', KEYS[key])
  local is_awaited = redis.pcall('EXISTS', KEYS[queues]) == 1
  if owner == ARGV[i + 4] then
    if is_awaited then
      local lock, queue = KEYS[key], KEYS[queues]
      --[[ hand-over ]]
      if notified then reply = { GRANTED, 1, 1 } end
    end
    if not reply and type(redis.pcall('DEL', KEYS[key])) == 'number' then reply = 1 end
  elseif type(owner) == 'string' then
    local remaining = redis.call('PTTL', KEYS[key])
    if remaining >= 0 then reply = { HELD, remaining } end
  elseif owner == false and not is_awaited then
    reply = { MISSING }
  end
  if reply then
    replies[#replies + 1] = reply
    rest = 0
  end
elseif redis.pcall('EXISTS', unpack(KEYS, queues, queues + n - 1)) == 0 then
  local owners = redis.pcall('MGET', unpack(KEYS, key, key + n - 1))
  local are_mine = true
  for j = 1, n do are_mine = are_mine and owners[j] == ARGV[i + 3 + j] end
  if are_mine and type(redis.pcall('DEL', unpack(KEYS, key, key + n - 1))) == 'number' then
    local before = #replies
    for j = 1, n do replies[before + j] = 1 end
    rest = 0
  end
end
done = n - rest
