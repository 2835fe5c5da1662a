-- RELEASE, but for the ordinary case, which prelude.lua and fast-releases.lua have: release the caller's keys, and hand them over to the first waiter. Harmless late, twice, or without a
-- marker: a key that has no owner by now is handed over too, and no other is touched.
--
-- keys      n lock keys, their n queues
-- value     the lock value of the attempt
-- ttl       unused
-- number    unused
--
-- {GRANTED, n}       n keys were `value`'s and are not any more
-- {MISSING}          no key was there any more
-- {HELD, remaining, holder}  none was `value`'s, and another value owns one
-- {FOREIGN, type} {FAILED, message}
-- The first two end with one more element, 1, if a waiter was notified; after MISSING there is a 0 between.

-- `distance`: from a key to its queue among KEYS; n if it is not given.
local function release(first, n, value, _, _, distance)
  local function hand_over(i)
    local queue = KEYS[i + (distance or n)]
    return has_queue(queue) and hand_to_first(KEYS[i], queue)
  end
  local freed, notified, other = 0, nil, nil
  for i = first, first + n - 1 do
    local owner, foreign = owner_of(KEYS[i])
    if foreign then
      other = other or foreign
    elseif owner == value then
      freed = freed + 1
      if hand_over(i) then notified = 1 else redis.call('DEL', KEYS[i]) end
    elseif owner ~= nil then
      other = other or refusal(KEYS[i], owner)
    elseif hand_over(i) then
      notified = 1
    end
  end
  if freed > 0 then return { GRANTED, freed, notified } end
  if other then return other end
  return notified and { MISSING, 0, notified } or { MISSING }
end
