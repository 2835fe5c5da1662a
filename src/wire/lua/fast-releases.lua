-- Part of the loop in batch.lua, which goes on from `rest` and `done`. It is a batch of releases whose keys are still the
-- caller's and have no waiter: all of them, or none.

local queues = key + n
rest = n
if redis.pcall('EXISTS', unpack(KEYS, queues, queues + n - 1)) == 0 then
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
