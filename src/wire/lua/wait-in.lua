-- Has the waiter `member` be called in its turn, by its `score`. The queue goes when nobody has asked again for two of the
-- longest ttls; a program with a shorter maxTtl leaves it as it is. `rank` says how many are before it; nothing if it could not enter.

local rank
local since = string.format('%.0f', math.min(tonumber(score), now))
if type(redis.pcall('ZADD', queue, since, member)) == 'number' then
  local kept = 2 * tonumber(ARGV[3])
  if redis.call('PTTL', queue) < kept then redis.call('PEXPIRE', queue, kept) end
  rank = redis.call('ZRANK', queue, member)
end
