-- A batch of acquires, up to the first whose key has an owner, if none of the keys has a waiter.

local queues = key + step * n
if late or not votes then
  rest = n - done
elseif redis.pcall('EXISTS', unpack(KEYS, queues, queues + n - 1)) ~= 0 then
  rest = n - done
end
local ttl = ARGV[i + 2]
while rest == 0 and done < n do
  local at = i + 4 + step * done
  local lock = KEYS[key + done]
  local set = redis.pcall('SET', lock, ARGV[at], 'NX', 'PX', ttl)
  if not set or set.err then
    rest = 1
  else
    local reply = 0
    if step == 2 then
      local token, failure = raise_counter(KEYS[key + n + done], ARGV[at + 1])
      reply = token
      if failure then
        redis.pcall('DEL', lock)
        reply = { FAILED, failure }
      end
    end
    replies[#replies + 1] = reply
    done = done + 1
  end
end
