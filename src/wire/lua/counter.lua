-- Raises the fence counter `fence` by at least a block of tokens, and at least to the proposed token `number`. In the
-- ordinary case that is one command. So all of the block is above every earlier answer. Results: the highest of the
-- block; an error, if it failed.
--
-- The proposal is clamped to beta around this node's TIME. So a client with a wrong time can't push a counter into the
-- future, and does not fall behind the tokens of an expired one. A proposal that is not a number counts as too low.
--
-- A value that is not a counter (another type, not a positive integer, one that can't be raised) is a lost counter.
--
-- An operation never shortens a counter's life: programs may retain counters for different times.

local function raise_counter(fence, number)
  local token = tonumber(number)
  if not (token and token >= now - beta and token <= now + beta and token % 1 == 0) then
    token = token and token >= now - beta and math.floor(math.min(token, now + beta)) or now - beta
    number = string.format('%.0f', token)
  end
  local lifetime = math.max(retention, redis.call('PTTL', fence))
  local before = redis.pcall('SET', fence, number, 'PX', lifetime, 'GET')
  local failure = type(before) == 'table' and before.err or nil
  if failure and string.find(failure, 'WRONGTYPE', 1, true) then
    before = false
    failure = redis.pcall('SET', fence, number, 'PX', lifetime).err
  end
  local last = not failure and before and tonumber(before)
  if last and last + block > token and last + block < COUNTER_LIMIT and not string.find(before, '%D') then
    token = last + block
    failure = redis.pcall('SET', fence, string.format('%.0f', token), 'PX', lifetime).err
  end
  return token, failure
end
