-- One page of the locks of a node: strings with an expiry. Writes nothing.
--
-- ARGV[1]  the cursor of SCAN
-- ARGV[2]  the pattern of the keys
-- ARGV[3]  how many keys SCAN looks at
--
-- {cursor, key, value, remaining milliseconds, key, value, remaining, …}

local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
local reply = { page[1] }
for _, key in ipairs(page[2]) do
  local value = redis.pcall('GET', key)
  local remaining = redis.call('PTTL', key)
  if type(value) == 'string' and remaining >= 0 then
    reply[#reply + 1] = key
    reply[#reply + 1] = value
    reply[#reply + 1] = remaining
  end
end
return reply
