-- EXTEND: let a lock live longer. Never shortens, and touches all keys or none.
--
-- keys      n lock keys; if fenced, their n fence counters
-- value     the lock value of the holder
-- ttl       milliseconds from now
-- number    fenced: the holder's token; plain: empty
-- previous  ADOPT: the lock value of the holder that handed the lock over
--
-- ADOPT is the extension of another process: what `previous` owns goes over to `value`. Only one of several processes can
-- have a majority of it, and it takes no key that this node has lost: `value` never owned it.
--
-- {GRANTED, token}   every key is `value`'s for at least ttl; token is 0 if plain. Fenced, a key that this node
--                    had lost is taken again: no higher counter proves that no other value held it in between.
-- {MISSING}          plain, or to adopt: a key is not there any more
-- {HELD, remaining, holder}  another value owns a key
-- {SUPERSEDED, c}    fenced: a counter is higher than the token
-- {FOREIGN, type} {LATE} {QUARANTINED} {FAILED, message}

local function extend(first, n, value, ttl, number, _, _, previous)
  if late then return { LATE } end
  if not votes then return { QUARANTINED } end
  local token, none = terms_of(ttl, number)
  if none then return none end
  local taken = {}
  for i = first, first + n - 1 do
    local owner, foreign = owner_of(KEYS[i])
    if foreign then return foreign end
    if owner == nil and (previous or not token) then return { MISSING } end
    if owner == nil or owner == previous then
      taken[i] = true
    elseif owner ~= value then
      return refusal(KEYS[i], owner)
    end
    if token then
      local counter = counter_of(KEYS[i + n])
      if counter and counter > token then return { SUPERSEDED, counter } end
    end
  end
  for i = first, first + n - 1 do
    local remaining = redis.call('PTTL', KEYS[i])
    if taken[i] then
      redis.call('SET', KEYS[i], value, 'PX', remaining > tonumber(ttl) and remaining or ttl)
    elseif remaining < tonumber(ttl) then
      redis.call('PEXPIRE', KEYS[i], ttl)
    end
    if token then redis.call('SET', KEYS[i + n], digits(token), 'PX', lifetime_of(KEYS[i + n])) end
  end
  return { GRANTED, token or 0 }
end
