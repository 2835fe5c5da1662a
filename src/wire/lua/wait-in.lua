-- Has the waiter `member` be called in its turn, by its `score`. The queue goes when nobody has asked again for two of the
-- longest ttls. `rank` says how many are before it; nothing if it could not enter.

local rank
local since = string.format('%.0f', math.min(tonumber(score), now))
if type(redis.pcall('ZADD', queue, since, member)) == 'number' then
  redis.call('PEXPIRE', queue, 2 * tonumber(ARGV[3]))
  rank = redis.call('ZRANK', queue, member)
end
