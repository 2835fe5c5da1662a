-- Raises the fence counter `fence` by at least a block of tokens, and at least to the proposed token `number`: one call
-- in the ordinary case. So all of the block is above all it ever answered. Gives `token`, the highest of the block, and,
-- if it failed, `failure`.
--
-- The proposal is kept within beta of this node's TIME on both sides: a client whose idea of the time is wrong can neither
-- push a counter into the future nor fall behind tokens of a counter that has expired.
--
-- A counter never lives shorter for a call: programs may keep counters for different times.

local token = tonumber(number)
if token < now - beta or token > now + beta then
  token = math.min(math.max(token, now - beta), now + beta)
  number = string.format('%.0f', token)
end
local kept = math.max(retention, redis.call('PTTL', fence))
local before = redis.pcall('SET', fence, number, 'PX', kept, 'GET')
local failure = type(before) == 'table' and before.err or nil
before = not failure and before and tonumber(before)
if before and before + block > token then
  token = before + block
  failure = redis.pcall('SET', fence, string.format('%.0f', token), 'PX', kept).err
end
