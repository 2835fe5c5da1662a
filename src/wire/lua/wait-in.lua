-- Has the waiter `member` be called in its turn, by its `score`; one that is no time until now is as if it asked now. The
-- queue goes when nobody has asked again for two of the longest ttls; a program with a shorter maxTtl leaves it as it is.
-- `rank` says how many are before it; nothing if it could not enter.

local rank
local asked = tonumber(score)
if not (asked and asked >= 0 and asked <= now and asked % 1 == 0) then asked = now end
local since = string.format('%.0f', asked)
if type(redis.pcall('ZADD', queue, since, member)) == 'number' then
  local kept = 2 * tonumber(ARGV[3])
  if redis.call('PTTL', queue) < kept then redis.call('PEXPIRE', queue, kept) end
  rank = redis.call('ZRANK', queue, member)
end
