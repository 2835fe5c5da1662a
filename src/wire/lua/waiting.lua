-- ENTER: wait in the queues of these keys, without asking for them. An attempt that got too few nodes does so before its
-- RELEASE, as if it had been refused here.
-- LEAVE: wait no more. A key that is reserved for this waiter goes on to the next; of a shared one, the next sharers
-- are notified. Asked for another one, which does not come: the waiters of its process that would be next leave as well.
-- WAITING: the waiters, first come first. Writes nothing.
--
-- keys      n lock keys, their n queues; for WAITING one of each
-- value     ENTER, LEAVE: the member, see queue.lua
-- ttl       ENTER: the score; LEAVE: 1 if it is asked for another one
-- number    empty
--
-- {GRANTED, n}                        ENTER, LEAVE: n queues
-- {LATE}                              ENTER: the waiter may have left
-- {QUEUE, member, score, member, …}   WAITING: no more than the first hundred

local MOST_NAMED = 100

local function enter(first, n, member, score)
  if late then return { LATE } end
  for i = first + n, first + 2 * n - 1 do wait_in(KEYS[i], member, score) end
  return { GRANTED, n }
end

local function leave(first, n, member, is_hung)
  local hung = is_hung == '1' and string.match(member, '^.*%.')
  for i = first, first + n - 1 do
    -- One that has come back meanwhile hears of it, and enters again.
    if redis.pcall('ZREM', KEYS[i + n], member) == 1 and hung then notify(member) end
    local owner = owner_of(KEYS[i])
    if reservation(owner) == member and not hand_to_first(KEYS[i], KEYS[i + n], hung) then
      redis.call('DEL', KEYS[i])
    elseif owner == SHARED then
      notify_sharers(KEYS[i + n])
    end
  end
  return { GRANTED, n }
end

local function waiting(first)
  local reply = redis.call('ZRANGE', KEYS[first + 1], 0, MOST_NAMED - 1, 'WITHSCORES')
  table.insert(reply, 1, QUEUE)
  return reply
end
