-- Reserves the key `lock`, which has no owner, for the first waiter of `queue` whose process hears the notification.
-- `notified` is true if there is one; else the key is as it was before.

local notified = false
for _ = 1, MOST_DEAF do
  local member = redis.pcall('ZPOPMIN', queue)[1]
  if not member then break end
  local process, waiter = string.match(member, '^(.*)%.(.-)$')
  local heard = process and redis.pcall('PUBLISH', WAKE .. process, waiter)
  if type(heard) == 'number' and heard > 0 then
    notified = not redis.pcall('SET', lock, RESERVED .. member, 'PX', grace).err
    break
  end
end
