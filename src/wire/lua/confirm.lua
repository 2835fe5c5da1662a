-- CONFIRM: make the counter of a granted attempt the token that the quorum agreed on.
--
-- keys      n lock keys, their n fence counters
-- value     the lock value of the attempt
-- ttl       unused
-- number    the token
--
-- {GRANTED, token}   `value` owned every key, no counter was higher, and every counter is now `token`
-- {MISSING}          a key is not there any more
-- {HELD, remaining, holder}  another value owns a key
-- {SUPERSEDED, c}    a counter is higher: a later attempt was granted since
-- {FOREIGN, type} {QUARANTINED} {FAILED, message}

local function confirm(first, n, value, _, number)
  if not votes then return { QUARANTINED } end
  local token, none = token_of(number)
  if none then return none end
  for i = first, first + n - 1 do
    local owner, foreign = owner_of(KEYS[i])
    if foreign then return foreign end
    if owner == nil then return { MISSING } end
    if owner ~= value then return refusal(KEYS[i], owner) end
    local counter = counter_of(KEYS[i + n])
    if counter and counter > token then return { SUPERSEDED, counter } end
  end
  set_counters(first, n, token)
  return { GRANTED, token }
end
