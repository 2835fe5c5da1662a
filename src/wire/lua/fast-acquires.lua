-- Part of the loop in batch.lua, which goes on from `rest` and `done`. It is a batch of acquires, up to the first whose
-- key has an owner, if none of the keys has a waiter.

local queues = key + step * n
if late or not votes then
  rest = n - done
elseif redis.pcall('EXISTS', unpack(KEYS, queues, queues + n - 1)) ~= 0 then
  rest = n - done
end
while rest == 0 and done < n do
  local at = i + 4 + step * done
  local reply = take(KEYS[key + done], ARGV[at], ARGV[i + 2], step == 2 and KEYS[key + n + done], ARGV[at + 1])
  if reply then
    replies[#replies + 1] = reply
    done = done + 1
  else
    rest = 1
  end
end
