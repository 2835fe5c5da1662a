-- Hands the key `lock`, which nobody owns, to the first waiter of `queue` that is there to hear it. `called` is true if
-- somebody was called; else the key is as it was before.

local called = false
for _ = 1, MOST_DEAF do
  local member = redis.pcall('ZPOPMIN', queue)[1]
  if not member then break end
  local process, contender = string.match(member, '^(.*)%.(.-)$')
  local heard = process and redis.pcall('PUBLISH', WAKE .. process, contender)
  if type(heard) == 'number' and heard > 0 then
    called = not redis.pcall('SET', lock, RESERVED .. member, 'PX', grace).err
    break
  end
end
