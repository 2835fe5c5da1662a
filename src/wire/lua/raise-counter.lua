-- Raises the fence counter `fence` by at least a block of tokens, and at least to the proposed token `number`: one call
-- in the ordinary case. So all of the block is above all it ever answered. Gives `token`, the highest of the block, and,
-- if it failed, `failure`.
--
-- The proposal is kept within beta of this node's TIME on both sides: a client whose idea of the time is wrong can neither
-- push a counter into the future nor fall behind tokens of a counter that has expired. One that is no number is as if it
-- were too low.
--
-- What is there and is no counter (another type, no positive integer, one that can't be raised) is a counter that is lost.
--
-- A counter never lives shorter for a call: programs may keep counters for different times.

local token = tonumber(number)
if not (token and token >= now - beta and token <= now + beta and token % 1 == 0) then
  token = token and token >= now - beta and math.floor(math.min(token, now + beta)) or now - beta
  number = string.format('%.0f', token)
end
local kept = math.max(retention, redis.call('PTTL', fence))
local before = redis.pcall('SET', fence, number, 'PX', kept, 'GET')
local failure = type(before) == 'table' and before.err or nil
if failure and string.find(failure, 'WRONGTYPE', 1, true) then
  before = false
  failure = redis.pcall('SET', fence, number, 'PX', kept).err
end
local last = not failure and before and tonumber(before)
if last and last + block > token and last < COUNTER_LIMIT and not string.find(before, '%D') then
  token = last + block
  failure = redis.pcall('SET', fence, string.format('%.0f', token), 'PX', kept).err
end
