-- RELEASE: give the keys back, those that are still the caller's. Harmless late, twice, or without a marker.
--
-- keys      n lock keys
-- value     the lock value of the attempt
-- ttl       unused
-- number    unused
--
-- {GRANTED, n}       n keys were `value`'s and are gone now
-- {MISSING}          no key was there any more
-- {HELD, remaining}  none was `value`'s, and somebody else holds one
-- {FOREIGN, type} {FAILED, message}

local function release(first, n, value)
  local freed = 0
  local other
  for i = first, first + n - 1 do
    local owner, foreign = owner_of(KEYS[i])
    if foreign then
      other = other or foreign
    elseif owner == value then
      freed = freed + redis.call('DEL', KEYS[i])
    elseif owner ~= nil then
      other = other or refusal(KEYS[i])
    end
  end
  if freed > 0 then return { GRANTED, freed } end
  return other or { MISSING }
end
