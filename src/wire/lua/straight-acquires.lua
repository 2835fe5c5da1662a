-- A run of acquires up to the first whose key somebody has, where nobody waits for any of the keys.

local queues = key + step * n
if late or not votes then
  apart = n - done
elseif n == 1 then
  apart = redis.pcall('EXISTS', KEYS[queues])
elseif redis.pcall('EXISTS', unpack(KEYS, queues, queues + n - 1)) ~= 0 then
  apart = n - done
end
local ttl = ARGV[i + 2]
while apart == 0 and done < n do
  local at = i + 4 + step * done
  local lock = KEYS[key + done]
  local set = redis.pcall('SET', lock, ARGV[at], 'NX', 'PX', ttl)
  if not set or set.err then
    apart = 1
  else
    local reply = 0
    if step == 2 then
      local fence, number = KEYS[key + n + done], ARGV[at + 1]
      reply = tonumber(number)
      if reply < now - beta or reply > now + beta then
        reply = math.min(math.max(reply, now - beta), now + beta)
        number = string.format('%.0f', reply)
      end
      -- As raise_counter, which would write the number anew.
      local before = redis.pcall('SET', fence, number, 'PX', retention, 'GET')
      local failure = type(before) == 'table' and before.err
      before = not failure and before and tonumber(before)
      if before and before >= reply then
        reply = before + 1
        failure = redis.pcall('SET', fence, string.format('%.0f', reply), 'PX', retention).err
      end
      if failure then
        redis.pcall('DEL', lock)
        reply = { FAILED, failure }
      end
    end
    replies[#replies + 1] = reply
    done = done + 1
  end
end
