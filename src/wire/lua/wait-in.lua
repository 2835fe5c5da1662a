-- Enters the waiter `member` in the queue at its `score`; a score that is not a time up to now counts as now. The queue
-- expires when no waiter has entered it for two of the longest ttls; a program with a shorter maxTtl does not shorten
-- it. `rank` says how many are before the waiter; nil if it could not enter.

local rank
local asked = tonumber(score)
if not (asked and asked >= 0 and asked <= now and asked % 1 == 0) then asked = now end
local since = string.format('%.0f', asked)
if type(redis.pcall('ZADD', queue, since, member)) == 'number' then
  local lifetime = 2 * tonumber(ARGV[3])
  if redis.call('PTTL', queue) < lifetime then redis.call('PEXPIRE', queue, lifetime) end
  rank = redis.call('ZRANK', queue, member)
end
